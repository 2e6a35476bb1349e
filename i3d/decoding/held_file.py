"""A video's file, held open, so that the same file is decoded, digested and inspected."""

import contextlib
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path

from i3d.digests import held_file_digest

OPEN_FILES = Path("/proc/self/fd")  # Linux: a link to each open file, valid even after it is renamed


class UnreadableError(Exception):
    """Nothing can be decoded, now or later; the message says why."""


class HeldFile:
    """The file now at `path`, whatever is renamed or replaced later.

    `links` is a private folder for links to the open file, through which libraries open it by name. Without it, or if
    the system has no such links, they open `path`. Raises UnreadableError if it is not a file or empty, OSError if it
    cannot be read at present.
    """

    def __init__(self, path: Path, links: Path | None = None) -> None:
        _refuse_irregular(path.stat().st_mode)  # before opening, which may have effects on a device
        self.path = path
        self._links = links
        self._number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # by now it might be a pipe without a writer
        weakref.finalize(self, os.close, self._number)
        self._opened = os.fstat(self._number)
        _refuse_irregular(self._opened.st_mode)
        if not self.size:
            raise UnreadableError("empty file")

    @property
    def size(self) -> int:
        """Size in bytes when it was opened."""
        return self._opened.st_size

    @property
    def digest(self) -> str:
        """Its present identity, see `i3d.digests`."""
        return held_file_digest(self._number)

    @property
    def was_changed(self) -> bool:
        """Whether it has been written to since it was opened."""
        now = os.fstat(self._number)
        return (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns)

    def read(self, start: int, count: int) -> bytes:
        """Read up to `count` bytes from offset `start`."""
        return os.pread(self._number, count, start)

    @contextlib.contextmanager
    def name(self) -> Iterator[str]:
        """Provide a path through which a library can open this file inside the block.

        It has the file's suffix, by which FFmpeg distinguishes similar formats.
        """
        link = self._link()
        try:
            yield os.fspath(link or self.path)
        finally:
            if link is not None:
                link.unlink(missing_ok=True)

    def _link(self) -> Path | None:
        held = OPEN_FILES / str(self._number)
        if self._links is None or not held.exists():
            return None
        link = self._links / f"{os.getpid()}{self.path.suffix}"
        try:
            link.unlink(missing_ok=True)  # from an earlier process with this id
            link.symlink_to(held)
        except OSError:  # a suffix too long, or a full disk
            return None
        return link


class Reading:
    """A held file with a position, for libraries that read Python's files.

    Libraries take what the system cannot read for the end of the file, as they take damage: `raise_error` tells. `name`
    has the file's suffix, by which FFmpeg distinguishes similar formats.
    """

    def __init__(self, file: HeldFile) -> None:
        self.name = os.fspath(file.path)
        self._file = file
        self._position = 0
        self._error: OSError | MemoryError | None = None

    def read(self, count: int) -> bytes:
        """Read up to `count` bytes; none after an error."""
        count = min(count, self._file.size - self._position)
        if count <= 0 or self._error is not None:
            return b""
        try:
            content = self._file.read(self._position, count)
        except (OSError, MemoryError) as error:
            self._error = error
            return b""
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset from the start, the position or the end; return the new position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def raise_error(self) -> None:
        """Raise what the system said when reading failed; do nothing if it has not."""
        if self._error is not None:
            raise self._error


def _refuse_irregular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise UnreadableError("a directory, not a file" if stat.S_ISDIR(mode) else "not a regular file")
