"""Errors that users can mend, and how programs report them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGINT

PREFIX = "error: "


class UserError(Exception):
    """An error that the user can mend; its message names the file or key, what is wrong, and what to do."""


_warned: set[str] = set()


def warn_once(text: str) -> None:
    """Write a warning to standard error, unless this process has written it already."""
    if text not in _warned:
        _warned.add(text)
        sys.stderr.write(f"warning: {text}\n")


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End the program with one line instead of a traceback on a UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(f"{PREFIX}{error}")


def run_main(main: Callable[[], None]) -> None:
    """Run a command-line program, reporting a user error or Ctrl-C in one line."""
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"{PREFIX}{error}\n")  # in one write, unlike sys.exit: jobs share a terminal
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("stopped by Ctrl-C\n")
        sys.exit(128 + SIGINT)


def run_main_and_leave(main: Callable[[], None]) -> None:
    """Run as `run_main`, then end the process at once: torch aborts an orderly exit while a thread still computes."""
    status: object = 0
    try:
        run_main(main)
    except SystemExit as ended:
        status = ended.code or 0
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as after `>&-`
            stream.flush()
    os._exit(status if isinstance(status, int) else 1)


def errors_in_logs(folder: Path, since: float) -> list[str]:
    """Return the errors that logs in a folder end with, if changed after `since` (seconds since the epoch)."""
    lines: dict[str, None] = {}
    for path in sorted(folder.rglob("*.log")):
        with suppress(OSError):
            if path.stat().st_mtime >= since:
                last = path.read_text(errors="replace").rstrip().rpartition("\n")[2]
                if last.startswith(PREFIX):
                    lines[f"{last}  [{path}]"] = None
    return list(lines)
