"""Process-wide switches: stop signals, module search, garbage collection, the C library's memory, torch."""

import ctypes
import gc
import logging
import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGHUP, SIGINT, SIGTERM
from threading import Thread
from types import FrameType

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h

_received: set[int] = set()


def was_stopped() -> bool:
    """Whether somebody has stopped this run."""
    return bool(_received)


def take_no_modules_from_here() -> None:
    """Keep child processes from importing modules of the working folder, such as a `snakemake.py` among the data."""
    os.environ["PYTHONSAFEPATH"] = "1"


def take_stop_signals() -> None:
    """Let a stopped run end in order. Call it in the main thread, after Snakemake has set its handlers.

    SIGHUP, unless ignored as by `nohup`, does what Snakemake's handler does for SIGTERM: let running jobs end. That
    handler runs in a thread of its own, because it takes a lock that the main thread may hold at that moment. Ctrl-C
    stops the jobs; later ones are ignored, as they would only interrupt the cleanup.
    """
    graceful = signal.getsignal(SIGTERM)

    def end_jobs(number: int, frame: FrameType | None) -> None:
        _received.add(number)
        if callable(graceful):
            Thread(target=graceful, args=(number, frame)).start()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number not in _received:
            _received.add(number)
            raise KeyboardInterrupt

    handlers = {SIGINT: interrupt} | ({SIGTERM: end_jobs, SIGHUP: end_jobs} if callable(graceful) else {})
    for number, handler in handlers.items():
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def collect_no_garbage() -> None:
    """Pause the collector while Snakemake builds its graph: it would take a quarter of the time, and free nothing."""
    gc.disable()


def collect_garbage() -> None:
    """Resume the collector, for objects made from now on."""
    gc.freeze()
    gc.enable()


def keep_freed_memory() -> None:
    """Make the C library (glibc only) reuse memory instead of returning it to the system.

    On a CPU each layer's output is so large that it is mapped, zeroed by the kernel and unmapped every time, a third of
    the network's time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def tune_torch(*, tf32: bool) -> None:
    """Let cuDNN choose its kernels by trial, since all passes have one shape, and allow TF32 or not."""
    from torch import backends

    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = tf32
    backends.cudnn.benchmark = True


@contextmanager
def silenced(logger: str) -> Iterator[None]:
    """Disable a logger within the block."""
    logging.getLogger(logger).disabled = True
    try:
        yield
    finally:
        logging.getLogger(logger).disabled = False
