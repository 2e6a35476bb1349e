"""The one exception that users are meant to see."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can mend: names the file or key, what is wrong, and what to do."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """End the program with one line instead of a traceback on a UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


def run_main(main: Callable[[], None]) -> None:
    """Run a command-line program whose user errors are told in one line."""
    with told_in_one_line():
        main()
