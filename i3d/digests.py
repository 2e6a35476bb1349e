"""Short names for content: of files, of videos, of JSON values."""

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

SAMPLE_BYTES = 1 << 16  # read at the start, the middle and the end of a video


def file_sha256(path: Path) -> str:
    """SHA-256 of a whole file, as hexadecimal digits. Raises OSError, also for a pipe or a device."""
    number = _open(path)
    with open(number, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


def video_digest(path: Path) -> str:
    """A video's identity: its size and three samples of its content.

    A copied or touched video keeps it; a re-encoded, cut or replaced one does not. Reading whole videos would take a
    terabyte's time on a login node. Raises OSError, also for a pipe or a device.
    """
    number = _open(path)
    try:
        return held_file_digest(number)
    finally:
        os.close(number)


def held_file_digest(number: int) -> str:
    """The `video_digest` of an open file, by its descriptor."""
    size = os.fstat(number).st_size
    digest = hashlib.sha256(str(size).encode())
    with open(number, "rb", closefd=False) as file:
        for start in sorted({0, max(0, size // 2 - SAMPLE_BYTES // 2), max(0, size - SAMPLE_BYTES)}):
            file.seek(start)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def json_digest(value: Any) -> str:
    """A short name for a JSON value: equal values give equal names in every process."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _open(path: Path) -> int:
    """The descriptor of a regular file, open for reading; of a pipe, nobody might ever write into it."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return number
