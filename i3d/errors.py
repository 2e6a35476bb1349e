"""The one exception that users are meant to see."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

PREFIX = "error: "


class UserError(Exception):
    """Something the user can mend: names the file or key, what is wrong, and what to do."""


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
    """Run a command-line program whose user errors, and whose end by Ctrl-C, are told in one line."""
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"{PREFIX}{error}\n")  # in one write, unlike sys.exit: jobs share a terminal
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("stopped by Ctrl-C\n")
        sys.exit(128 + SIGINT)


def run_main_and_leave(main: Callable[[], None]) -> None:
    """As `run_main`, for programs of torch: ends the process at once, however `main` ends.

    A batch that a thread still computes, and nobody wants, would abort an orderly end.
    """
    status: object = 0
    try:
        run_main(main)
    except SystemExit as ended:
        status = ended.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def errors_in_logs(folder: Path, since: float) -> list[str]:
    """What the programs of a run had to say at their end: the `error:` lines that logs of since then close with.

    `since` is in seconds since the epoch.
    """
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*.log")):
        try:
            if path.stat().st_mtime >= since:
                last = path.read_text(errors="replace").rstrip().rpartition("\n")[2]
                if last.startswith(PREFIX):
                    found[f"{last}  [{path}]"] = None
        except OSError:
            continue
    return list(found)
