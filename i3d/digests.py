"""What tells one file's content from another's."""

import hashlib
import json
from pathlib import Path
from typing import Any

SAMPLE_BYTES = 1 << 16  # read at the start, the middle and the end of a video


def file_sha256(path: Path) -> str:
    """SHA-256 of a whole file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def video_digest(path: Path) -> str:
    """A video's identity: its size and three samples of its content.

    A copied or touched video keeps it; a re-encoded, cut or replaced one does not. Reading whole videos would take a
    terabyte's time on a login node.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - SAMPLE_BYTES // 2), max(0, size - SAMPLE_BYTES)}):
            file.seek(start)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def json_digest(value: Any) -> str:
    """A short name for a JSON value: equal values give equal names in every process."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
