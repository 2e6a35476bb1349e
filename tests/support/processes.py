"""Looking at processes, and starting them with less rights."""

import os
import signal
import time
from pathlib import Path

# Root may write everywhere, unless it is started with this.
WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()


def gone(pid, seconds=10):
    """Whether a process ends within some seconds."""
    for _ in range(seconds * 20):
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    return False


def hear_ctrl_c() -> None:
    """For `preexec_fn`: hear SIGINT and SIGHUP as a program in a terminal does, also under `&` and `nohup`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
