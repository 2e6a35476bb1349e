"""Other users of this machine, as a group shares a tree with them. Only root can be another user."""

import errno
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from i3d.errors import UserError

ALICE, BOB, GROUP = 12345, 12346, 7777
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what two users do")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_user(uid: int, umask: int, function: Callable[[], object]) -> str:
    """Call a function as another user, in a child of this process, which has read all modules; returns what the
    UserError says that it ends with, or an empty text. Any other exception fails the test."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(uid)
            os.umask(umask)
            said = ""
            try:
                function()
            except UserError as error:
                said = f"UserError {error}"
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    assert not said or said.startswith("UserError "), said
    return said.removeprefix("UserError ")


def close_folders() -> None:
    """Have this process fail to look into folders called `closed`, as if they were another's, even as root."""
    stat = os.stat

    def look(path, **options):
        if not isinstance(path, int) and "closed" in Path(os.fsdecode(path)).parent.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return stat(path, **options)

    os.stat = look


def able_to_read_all(uid: int, umask: int, home: Path) -> list[str]:
    """What starts a program as another user with read access to all, as to this machine's Python, and no more."""
    return [
        "setpriv",
        *(f"--reuid={uid}", f"--regid={GROUP}", "--clear-groups"),
        *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
        *("sh", "-c", f'umask {umask:03o}; HOME=$0 exec "$@"', str(home)),
    ]
