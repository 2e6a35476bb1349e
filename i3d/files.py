"""Files that readers see whole or not at all, whoever shares them, wherever they lie."""

import errno
import os
import re
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
    """Something other than a file, like a pipe or a device, is in the place of a file."""


_T = TypeVar("_T")
_serial = count()
PART_NAME = re.compile(r"\.\d+-\d+\.part")  # what `part_of` gives


def part_of(path: Path) -> Path:
    """Another name beside `path`, to write to before the file is renamed.

    It does not depend on the file's own name, which may be as long as the file system allows, and no two writers share
    one, in one process or two. It is hidden, so that nobody takes it for a finished file.
    """
    return path.with_name(f".{os.getpid()}-{next(_serial)}.part")


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8, forced to disk under another name and then renamed.

    Raises UserError when it cannot be written.
    """
    part = part_of(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """The content of a regular file; raises as `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def read_json(path: Path, kind: type[_T]) -> _T:
    """What a JSON file holds, as an object of this type.

    Raises OSError as `read_file`, and ValueError for whatever else stands in its place.
    """
    try:
        return msgspec.json.decode(read_file(path), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def open_regular(path: str | os.PathLike, folder: int | None = None) -> int:
    """The descriptor of a regular file, open for reading; `folder` is the descriptor of the folder that holds it.

    Raises OSError; IrregularError, at once, for a FIFO or a device, which may block for ever.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise IrregularError(errno.EINVAL, "not a regular file", os.fspath(path))
    return number


def move(source: Path, target: Path) -> None:
    """Rename a file, in place of the one at `target`; from one file system to another, by a copy that is never seen
    half. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    part = part_of(target)
    try:
        shutil.copyfile(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    source.unlink()


def keep_aside(path: Path, ending: str = ".damaged") -> Path:
    """Rename a file that is not ours to write over to a free name beside it, which is returned."""
    names = chain([path.name + ending], (f"{path.name}{ending}.{number}" for number in count(1)))
    kept = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    path.rename(kept)
    return kept


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or, where it does not exist yet, in the one that it would be made in."""
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    return os.access(there, os.W_OK | os.X_OK)


def owner_of(path: Path) -> str:
    """The name of a file's owner."""
    number = path.stat().st_uid
    with suppress(KeyError):
        return getpwuid(number).pw_name
    return f"user {number}"


def share_with_group(folder: Path) -> None:
    """Let this process and its children make files that the group may write, if the group may write in `folder`.

    For a tree in a project folder that several users continue by turns, whatever the umask of each. A folder that does
    not exist yet is judged by the one that it will be made in.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    with suppress(OSError):
        if there.stat().st_mode & stat.S_IWGRP:
            umask = os.umask(0)
            os.umask(umask & ~stat.S_IRWXG)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file, or in a folder, into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; correct that and run snakemake again, it resumes from there"
        ) from None


def remove_empty(folder: Path) -> None:
    """Remove the empty files in a folder, at any depth, and the folders that are empty then; what cannot be stays."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            with suppress(OSError):
                if not path.stat().st_size:
                    path.unlink()
        with suppress(OSError):
            Path(place).rmdir()
