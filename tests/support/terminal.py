"""A program in a terminal of its own, as a person has it: what it draws, and keys pressed."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from pathlib import Path

import pyte

from tests.support.processes import hear_ctrl_c

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
CTRL_C = b"\x03"
ROWS = 60


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # keys become signals
    hear_ctrl_c()


class Terminal:
    """Runs a command on a new terminal of 60 lines of so many `columns`."""

    def __init__(
        self, command: list[str], folder: Path, rows: int = 30, columns: int = 120, **environment: str
    ) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        self._ours = ours
        self._columns = columns
        self._raw = bytearray()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"TERM": "xterm-256color"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def going(self) -> bool:
        return self.process.poll() is None

    @property
    def drawn(self) -> str:
        """All that was ever written, without the escapes that move the cursor and colour the text."""
        return ESCAPES.sub("", self._raw.decode(errors="replace"))

    @property
    def shown(self) -> list[str]:
        """The lines on the screen, as far as there are any."""
        screen = pyte.Screen(self._columns, ROWS)
        pyte.Stream(screen).feed(self._raw.decode(errors="replace"))
        lines = [line.rstrip() for line in screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def end(self, timeout: float = 400) -> int:
        """Wait for the program to end; returns its exit status."""
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # nobody holds the other end any more
                return
            if not part:
                return
            self._raw += part
