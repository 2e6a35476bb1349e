"""Read a folder of numbered pictures as a video, each picture as Pillow converts it to RGB."""

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

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF")  # readers of others may start programs
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow would cut their values off at 255
# Why a picture is no frame.
BROKEN = "cannot be read"
DEEP = "have more than 8 bits a channel and must be converted to 8"
CODECS = {"JPEG": "mjpeg", "MPO": "mjpeg"}  # FFmpeg's names where they are not Pillow's in lower case


class FrameFolder:
    """The pictures in the folder at `path`, in the order of their numbers.

    The folder is held open, so that renaming or replacing it later makes no difference. `digest` and `damaged` are
    known once all `frames` have been read. Raises UnreadableError if it is not a folder of numbered pictures, OSError
    if it cannot be read at present.
    """

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._folder)
        self._pictures = self._listed()
        self._digest = PicturesDigest(len(self._pictures))
        self._unused: dict[str, list[str]] = {BROKEN: [], DEEP: []}  # names
        self.codec: str | None = None  # FFmpeg's name for the format of the first picture

    def __len__(self) -> int:
        """Number of pictures, including broken ones."""
        return len(self._pictures)

    @property
    def digest(self) -> str:
        """The identity of the pictures read, see `i3d.digests`."""
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
        """Which pictures are broken, too deep or missing, in words; None if all are sound."""
        unused = (
            f"{len(names)} of {len(self)} pictures {reason}: {named(names)}"
            for reason, names in self._unused.items()
            if names
        )
        return damage(*unused, gaps(self._pictures))

    @property
    def why_no_frames(self) -> str:
        """Why there are no frames, in words, if there are none."""
        deep = len(self._unused[DEEP])
        return f"none of its {len(self)} pictures can be read" + (f": {deep} {DEEP}" if deep else "")

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the pictures, uint8 (height, width, 3) of any sizes, without broken and too deep ones. Only once.

        Raises OSError for a picture that cannot be read at present.
        """
        for _, name in self._pictures:
            content = self._read(name)
            self._digest.add(name, None if content is None else len(content), content or b"")
            frame = BROKEN if content is None else self._decoded(content)
            if isinstance(frame, str):
                self._unused[frame].append(name if name.isprintable() else ascii(name))
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
        """Read a picture; return None if it is not a file, but a dangling link or a pipe."""
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

    def _decoded(self, content: bytes) -> np.ndarray | str:
        """Return a picture, or why it is no frame."""
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.mode in DEEP_MODES:
                    return DEEP
                frame = np.asarray(image.convert("RGB"))
                self.codec = self.codec or CODECS.get(image.format or "", (image.format or "").lower())
        except MemoryError:
            raise
        except Exception:  # Pillow's readers may raise anything on a broken file
            return BROKEN
        return frame
