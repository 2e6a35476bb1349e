"""What holds for a whole process: how it is stopped, what it imports, switches of Python, the C library and torch."""

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
    """Let programs that this one starts import from their environment alone: not `snakemake.py` in a folder of data."""
    os.environ["PYTHONSAFEPATH"] = "1"


def take_stop_signals() -> None:
    """Let a run that is stopped come to its end in order. Call it in the main thread, when Snakemake has its handlers.

    Snakemake's for SIGTERM lets running jobs end, and SIGHUP now does the same, unless `nohup` has it ignored. It runs
    in a thread of its own: it takes a lock that the main thread may hold just then, and would wait for itself for ever.
    Ctrl-C stops the jobs, once: what follows the first one would only break off the tidying up.
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
    """While Snakemake builds its graph: millions of objects for 10,000 videos, all kept: a quarter of the time."""
    gc.disable()


def collect_garbage() -> None:
    """From now on, among what is made from now on."""
    gc.freeze()
    gc.enable()


def keep_freed_memory() -> None:
    """Make the C library reuse memory instead of giving it back to the system.

    On a CPU each layer's output is so large that it is mapped, filled with zeros by the kernel and unmapped anew each
    time, which costs a third of the network's time. Only glibc has the switch.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def tune_torch(*, tf32: bool) -> None:
    """Let cuDNN choose its kernels by trying them, as all passes have one shape, and compute in TF32 or not."""
    from torch import backends

    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = tf32
    backends.cudnn.benchmark = True


@contextmanager
def silenced(logger: str) -> Iterator[None]:
    """Without what a logger says, where that is meant for real work."""
    logging.getLogger(logger).disabled = True
    try:
        yield
    finally:
        logging.getLogger(logger).disabled = False
