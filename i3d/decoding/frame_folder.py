"""A folder of numbered pictures, read as a video: one frame after the other, as Pillow shows them in RGB."""

import errno
import io
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from i3d.decoding.damage import damage
from i3d.decoding.held_file import UnreadableError
from i3d.digests import PicturesDigest
from i3d.files import IrregularError, open_regular
from i3d.frame_folders import NotFramesError, Numbered, gaps, pictures_in
from i3d.quantities import named

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF")  # others may start programs
CODECS = {"JPEG": "mjpeg", "MPO": "mjpeg"}  # Pillow's names for formats, where FFmpeg's are not theirs in small letters


class FrameFolder:
    """The pictures of the folder that `path` leads to now, in the order of their numbers.

    The folder is held open: renaming or replacing it makes no difference. `digest` is made of what `frames` read, and
    `damaged` says what it found; both are known once all frames were taken.
    Raises UnreadableError for what is no folder of numbered pictures, OSError for what cannot be read just now.
    """

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._folder)
        self._pictures = self._listed()
        self._digest = PicturesDigest(len(self._pictures))
        self._broken: list[str] = []
        self.codec: str | None = None  # FFmpeg's name for the format of the first picture

    def __len__(self) -> int:
        """How many pictures there are, broken ones among them."""
        return len(self._pictures)

    @property
    def digest(self) -> str:
        """The identity of what was read, see `i3d.digests`."""
        return self._digest.hexdigest

    @property
    def was_changed(self) -> bool:
        """Whether pictures were added, removed or renamed since the folder was opened."""
        try:
            return self._listed() != self._pictures
        except UnreadableError:
            return True

    @property
    def damaged(self) -> str | None:
        """Which pictures are broken or missing, in words, None if all are there."""
        count = len(self._broken)
        broken = f"{count} of {len(self)} pictures cannot be read: {named(self._broken)}" if count else None
        return damage(broken, gaps(self._pictures))

    def frames(self) -> Iterator[np.ndarray]:
        """The pictures as uint8 (height, width, 3), each of its own size; broken ones are left out. Once.

        Raises OSError for one that cannot be read just now.
        """
        for _, name in self._pictures:
            content = self._read(name)
            self._digest.add(name, None if content is None else len(content), content or b"")
            frame = None if content is None else self._decoded(content)
            if frame is None:
                self._broken.append(name if name.isprintable() else ascii(name))
            else:
                yield frame

    def _listed(self) -> Numbered:
        try:
            pictures = pictures_in(self._folder)
        except NotFramesError as error:
            raise UnreadableError(str(error)) from None
        if pictures is None:
            raise UnreadableError("a directory, not a file, and not one of numbered pictures alone")
        return pictures

    def _read(self, name: str) -> bytes | None:
        """None for what is no file: a link to nothing, a pipe."""
        try:
            number = open_regular(name, self._folder)
        except (FileNotFoundError, IrregularError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link to itself, a socket
                return None
            raise
        with open(number, "rb") as file:  # noqa: PTH123
            return file.read()

    def _decoded(self, content: bytes) -> np.ndarray | None:
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                frame = np.asarray(image.convert("RGB"))
                self.codec = self.codec or CODECS.get(image.format or "", (image.format or "").lower())
        except MemoryError:
            raise
        except Exception:  # Pillow's readers raise whatever a broken file makes them stumble over
            return None
        return frame
