"""A video's file, held open, so that what is decoded, digested and looked into is one and the same file."""

import contextlib
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path

from i3d.digests import held_file_digest

OPEN_FILES = Path("/proc/self/fd")  # Linux: a link for each, which leads to the file wherever its name went


class UnreadableError(Exception):
    """Nothing can be decoded, now or later; the message says why in plain words."""


class HeldFile:
    """The file that `path` leads to now; renaming and replacing it later makes no difference.

    `links` is a private folder in which the file gets another name for the libraries that open files by name; without
    one, or where the system does not offer this, they open `path`.
    Raises UnreadableError for what is no file or an empty one, OSError for what cannot be read just now.
    """

    def __init__(self, path: Path, links: Path | None = None) -> None:
        _refuse_irregular(path.stat().st_mode)  # opening a device may set something going
        self.path = path
        self._links = links
        self._number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # of a pipe by now, nobody might ever write into it
        weakref.finalize(self, os.close, self._number)
        self._opened = os.fstat(self._number)
        _refuse_irregular(self._opened.st_mode)
        if not self.size:
            raise UnreadableError("empty file")

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self._opened.st_size

    @property
    def digest(self) -> str:
        """Its identity now, see `i3d.digests`."""
        return held_file_digest(self._number)

    @property
    def was_changed(self) -> bool:
        """Whether somebody has written into it since it was opened."""
        now = os.fstat(self._number)
        return (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns)

    def read(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on."""
        return os.pread(self._number, count, start)

    @contextlib.contextmanager
    def name(self) -> Iterator[str]:
        """A path by which a library can open this very file, inside the block.

        It ends in the file's own suffix, from which FFmpeg guesses formats that look alike.
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
            link.unlink(missing_ok=True)  # of an earlier process with this number
            link.symlink_to(held)
        except OSError:  # a suffix too long, or a full disk
            return None
        return link


def _refuse_irregular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise UnreadableError("a directory, not a file" if stat.S_ISDIR(mode) else "not a regular file")
