"""A run as a process: what its jobs may import, and how Ctrl-C, a batch system or a closed terminal stops it."""

import os
import signal
from signal import SIGHUP, SIGINT, SIGTERM
from threading import Thread
from types import FrameType

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
