"""Reading and writing files that other processes and users share: readers see a whole file or none."""

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from pwd import getpwuid
from typing import TypeVar

import msgspec

from i3d.errors import UserError


class IrregularError(OSError):
    """A pipe, a device or the like was found in place of a regular file."""


_T = TypeVar("_T")
PART_NAME = re.compile(r"\.\d+-\d+\.part")  # as `part_of` makes them


def part_of(path: Path) -> Path:
    """Return a hidden name beside `path`, to write to before renaming; it is short even if `path` is long.

    It is unique by chance, as a process of the same number may write to the folder from another host.
    """
    return path.with_name(f".{os.getpid()}-{secrets.randbits(64)}.part")


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8: forced to disk under a temporary name, then renamed. Raises UserError on failure."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as part, part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name, and rename it to `path` unless there was an error."""
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """Read a regular file; raises as `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def read_json(path: Path, kind: type[_T]) -> _T:
    """Read a JSON file into an object of this type. Raises OSError as `read_file`, and ValueError for other content."""
    try:
        return msgspec.json.decode(read_file(path), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def read_json_or_none(path: Path, kind: type[_T]) -> _T | None:
    """Read a JSON file as `read_json`; None if it is missing or damaged."""
    with suppress(OSError, ValueError):
        return read_json(path, kind)
    return None


def read_end(path: str | os.PathLike, most: int = 1 << 20) -> str:
    """Read the last `most` bytes of a text file; empty if it cannot be read."""
    with suppress(OSError), os.fdopen(open_regular(path), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read().decode(errors="replace")
    return ""


def open_regular(path: str | os.PathLike, folder: int | None = None) -> int:
    """Open a regular file for reading and return its descriptor; `path` may be relative to the descriptor `folder`.

    Raises OSError, and IrregularError instead of blocking for a FIFO or a device.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise IrregularError(errno.EINVAL, "not a regular file", os.fspath(path))
    return number


def move(source: Path, target: Path) -> None:
    """Move a file, replacing the one at `target`, atomically also between file systems. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    with _replacing(target) as part:
        shutil.copyfile(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    source.unlink()


def keep_aside(path: Path, ending: str = ".damaged") -> Path:
    """Rename a file that must not be overwritten to a free name beside it, and return that name."""
    names = chain([path.name + ending], (f"{path.name}{ending}.{number}" for number in count(1)))
    kept = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    path.rename(kept)
    return kept


def is_writable(folder: Path) -> bool:
    """Whether this user can create files in a folder, which need not exist yet."""
    return os.access(_nearest_existing(folder), os.W_OK | os.X_OK)


def _nearest_existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))


def user_name(number: int) -> str:
    """The name of the user with this number, or the number if it has none, as in some containers."""
    with suppress(KeyError, OverflowError):
        return getpwuid(number).pw_name
    return f"user {number}"


def share_with_group(folder: Path) -> None:
    """Clear the umask's group bits if the group may write in `folder` (or where it will be): others can then go on."""
    with suppress(OSError):
        if _nearest_existing(folder).stat().st_mode & stat.S_IWGRP:
            os.umask(os.umask(0) & ~stat.S_IRWXG)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing a file or into a folder into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; correct that and run snakemake again, it resumes from there"
        ) from None


def remove_empty(folder: Path) -> None:
    """Remove empty files and folders below a folder, and the folder if it is then empty; errors are ignored."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            with suppress(OSError):
                if not path.stat().st_size:
                    path.unlink()
        with suppress(OSError):
            Path(place).rmdir()
