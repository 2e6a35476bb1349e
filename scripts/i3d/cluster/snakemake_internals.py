"""Signals that find the main thread busy."""

import signal
from threading import Thread
from types import FrameType


def handle_in_thread(number: int) -> None:
    """Let the handler of a signal, if Python has one, run in a thread of its own. Call it in the main thread.

    A handler otherwise runs in the main thread, wherever that is. Snakemake's for SIGTERM takes a lock that the main
    thread may hold just then, and would wait for itself for ever.
    """
    handler = signal.getsignal(number)
    if not callable(handler):
        return

    def start(number: int, frame: FrameType | None) -> None:
        Thread(target=handler, args=(number, frame)).start()

    signal.signal(number, start)
