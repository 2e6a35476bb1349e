"""Digests of content: of files, videos, folders of pictures and JSON values."""

import errno
import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from i3d.files import open_regular
from i3d.frame_folders import NotFramesError, looked_at, pictures_in

SAMPLE_BYTES = 1 << 16  # read at the start, the middle and the end of a video


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a whole file in hexadecimal. Raises OSError, also for a pipe or a device."""
    with open(open_regular(path), "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


def video_digest(path: Path) -> str:
    """Return a digest of a video's size and three samples of its content; for a folder see `PicturesDigest`.

    It survives copying and touching a video, but not re-encoding or cutting it. Reading terabytes of whole videos would
    take too long on a login node. Raises OSError, also for a pipe or a device.
    """
    if path.is_dir():
        return _folder_digest(path)
    number = open_regular(path)
    try:
        return held_file_digest(number)
    finally:
        os.close(number)


def held_file_digest(number: int) -> str:
    """Return the `video_digest` of an open file, by its descriptor."""
    size = os.fstat(number).st_size
    digest = hashlib.sha256(str(size).encode())
    with open(number, "rb", closefd=False) as file:
        for start in sorted({0, max(0, size // 2 - SAMPLE_BYTES // 2), max(0, size - SAMPLE_BYTES)}):
            file.seek(start)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


class PicturesDigest:
    """A digest of a folder of numbered pictures: their names and sizes, and the beginnings of some 30 of them.

    It survives copying, touching and moving the folder as a whole. It changes when a picture is added, removed, renamed
    or resized; a picture rewritten with the same size changes it only if it is sampled.
    """

    def __init__(self, count: int) -> None:
        self._digest = hashlib.sha256(b"pictures")
        self._sampled = set(looked_at(count))
        self._place = 0

    @property
    def wants_content(self) -> bool:
        """Whether the next picture is sampled."""
        return self._place in self._sampled

    def add(self, name: str, size: int | None, content: bytes = b"") -> None:
        """Add the next picture in order: its size in bytes, None if it cannot be read, and its content if wanted."""
        self._digest.update(f"{name}/{size}/".encode(errors="surrogateescape"))
        if self.wants_content:
            self._digest.update(content[:SAMPLE_BYTES])
        self._place += 1

    @property
    def hexdigest(self) -> str:
        return self._digest.hexdigest()[:32]


def _folder_digest(path: Path) -> str:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(NotFramesError):
            if pictures := pictures_in(folder):
                digest = PicturesDigest(len(pictures))
                for _, name in pictures:
                    digest.add(name, *_size_and_beginning(name, folder, digest.wants_content))
                return digest.hexdigest
        raise OSError(errno.EISDIR, "a folder, but not of numbered pictures", os.fspath(path))
    finally:
        os.close(folder)


def _size_and_beginning(name: str, folder: int, wants_content: bool) -> tuple[int | None, bytes]:
    try:
        if not wants_content:
            status = os.stat(name, dir_fd=folder)  # noqa: PTH116
            return (status.st_size if stat.S_ISREG(status.st_mode) else None), b""
        with open(open_regular(name, folder), "rb") as file:  # noqa: PTH123
            return os.fstat(file.fileno()).st_size, file.read(SAMPLE_BYTES)
    except OSError:
        return None, b""


def json_digest(value: Any) -> str:
    """Return a short digest of a JSON value, the same for equal values in every process."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
