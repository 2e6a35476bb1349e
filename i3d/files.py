"""Writing files so that readers see the old content or the new, never a part."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from i3d.errors import UserError

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


def keep_aside(path: Path, ending: str = ".damaged") -> Path:
    """Rename a file that is not ours to write over to a free name beside it, which is returned."""
    names = chain([path.name + ending], (f"{path.name}{ending}.{number}" for number in count(1)))
    kept = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    path.rename(kept)
    return kept


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file, or in a folder, into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; correct that and run snakemake again, it resumes from there"
        ) from None
