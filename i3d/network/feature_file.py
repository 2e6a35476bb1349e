"""Feature files, written snippet by snippet in constant memory and visible only when complete."""

import io
import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from i3d.files import part_of

HEADER_BYTES = 128  # size of NumPy's .npy header for any array of this kind


class NotFiniteError(Exception):
    """The network computed NaN or Inf; such features must not be written."""


class FeatureWriter:
    """Writes one video's features, float32 (snippets, crops, dim), to `path`: `append`, then `close` or `discard`."""

    def __init__(self, path: Path, crops: int, dim: int) -> None:
        self.path = path
        self.snippets = 0
        self._shape = (crops, dim)
        self._part = part_of(path)
        self._file: BinaryIO | None = None

    def append(self, features: np.ndarray) -> None:
        """Append one snippet, float32 (crops, dim). Raises NotFiniteError on NaN or Inf."""
        if features.shape != self._shape or features.dtype != np.float32:
            raise ValueError(f"a snippet must be float32 {self._shape}, not {features.dtype} {features.shape}")
        if not np.isfinite(features).all():
            raise NotFiniteError(f"NaN or Inf in the features of snippet {self.snippets}")
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("xb")
            self._file.write(bytes(HEADER_BYTES))
        self._file.write(np.ascontiguousarray(features).data)
        self.snippets += 1

    def close(self, snippets: int) -> None:
        """Finish the file with the first `snippets` snippets, force it to disk and rename it to `path`.

        Raises ValueError for none, or more than were appended.
        """
        if self._file is None or not 0 < snippets <= self.snippets:
            raise ValueError(f"{self.snippets} of {snippets} snippets were written for {self.path}")
        self.snippets = snippets
        self._file.truncate(HEADER_BYTES + snippets * 4 * math.prod(self._shape))
        self._file.seek(0)
        self._file.write(npy_header((self.snippets, *self._shape)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Delete the unfinished file, if any."""
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)


def npy_header(shape: tuple[int, int, int]) -> bytes:
    """Make the first HEADER_BYTES of a float32, C-ordered .npy file (format 1.0) of this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    if header.tell() != HEADER_BYTES:
        raise ValueError(f"NumPy writes a header of {header.tell()} bytes for {shape}, not {HEADER_BYTES}")
    return header.getvalue()
