"""The one exception that users are meant to see."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend: names the file or key, what is wrong, and what to do."""


def run_main(main: Callable[[], None]) -> None:
    """Run a command-line program; end with one line instead of a traceback on a UserError."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
