"""Looking at processes."""

import signal
import time
from pathlib import Path


def gone(pid, seconds=10):
    """Whether a process ends within some seconds."""
    for _ in range(seconds * 20):
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    return False


def hear_ctrl_c() -> None:
    """For `preexec_fn`: take SIGINT as a program in a terminal does; tests that a shell runs with `&` ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
