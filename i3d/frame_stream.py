"""The frame stream: how decoded frames travel from decode to extract.

One stream carries a bundle of videos. Its bytes are the same in a file and through a pipe:

    MAGIC, then messages, each a 16-byte header (kind, video, length) and `length` payload bytes
    BEGIN   JSON: what is known of the video before its first frame; sent again to start it over
    FRAMES  n x 256 x 340 x 3 bytes: n RGB frames, row by row
    END     JSON: how decoding that video ended, and the digest of the decoded file
    CLOSE   no payload: the stream is complete

`video` is the video's place in the bundle's list. Videos may be interleaved. A stream without CLOSE was cut off:
everything before the cut is sound, the rest is missing.
"""

import contextlib
import fcntl
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from i3d.specs import FRAME_BYTES, HEIGHT, WIDTH

FRAME_SHAPE = (HEIGHT, WIDTH, 3)  # every frame is resized to this before it enters the stream
BLOCK_FRAMES = 64  # frames per message at most: 16.7 MB

MAGIC = b"I3DFRAM1"
HEADER = struct.Struct("<4sIQ")  # kind, video, payload bytes
BEGIN, FRAMES, END, CLOSE = b"BEGN", b"FRAM", b"END.", b"CLOS"
MAX_JSON_BYTES = 1 << 20
CHANGED = "the video was changed during the run; the next run takes it as it is then"  # a reason in END and elsewhere
PIPE_BYTES = 1 << 20  # capacity of a pipe, the most that Linux grants to any user; 16 times its default


class StreamError(Exception):
    """The stream is cut off or not a frame stream; the message says where."""


@dataclass(frozen=True)
class Begin:
    """A video starts, or starts over: earlier frames of it are void."""

    video: int
    info: dict[str, Any]


@dataclass
class Frames:
    """`count` frames can be taken; reading the next message drops the rest."""

    video: int
    count: int
    file: BinaryIO

    def take(self, frames: np.ndarray) -> None:
        """Read the next frames into `frames`, C-contiguous uint8 (n, 256, 340, 3), n from 1 to `count`."""
        _read_into(self.file, frames.data.cast("B"))
        self.count -= len(frames)

    @cached_property
    def frames(self) -> np.ndarray:
        """All remaining frames, uint8 (n, 256, 340, 3)."""
        frames = np.empty((self.count, *FRAME_SHAPE), np.uint8)
        self.take(frames)
        return frames


@dataclass(frozen=True)
class End:
    """A video's last message."""

    video: int
    result: dict[str, Any]


Message = Begin | Frames | End


class StreamWriter:
    """Writes messages to a binary file or pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        with contextlib.suppress(OSError, AttributeError):  # no pipe, or not Linux
            fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._write(MAGIC)

    def begin(self, video: int, info: dict[str, Any]) -> None:
        self._message(BEGIN, video, json.dumps(info).encode())

    def frames(self, video: int, frames: np.ndarray) -> None:
        """Send uint8 frames of shape (n, 256, 340, 3), any n."""
        if frames.dtype != np.uint8 or frames.shape[1:] != FRAME_SHAPE:
            raise ValueError(f"frames must be uint8 (n, {HEIGHT}, {WIDTH}, 3), not {frames.dtype} {frames.shape}")
        for start in range(0, len(frames), BLOCK_FRAMES):
            block = np.ascontiguousarray(frames[start : start + BLOCK_FRAMES])
            self._message(FRAMES, video, block.data.cast("B"))

    def end(self, video: int, result: dict[str, Any]) -> None:
        self._message(END, video, json.dumps(result).encode())

    def close(self) -> None:
        """Mark the stream complete; the file itself stays open."""
        self._message(CLOSE, 0, b"")
        self._file.flush()

    def _message(self, kind: bytes, video: int, payload: bytes | memoryview) -> None:
        self._write(HEADER.pack(kind, video, len(payload)))
        self._write(payload)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:  # a raw pipe may accept only a part
            view = view[self._file.write(view) :]


def read_stream(file: BinaryIO) -> Iterator[Message]:
    """Yield the messages of a stream until CLOSE. Raises StreamError if the bytes are no stream or end before CLOSE."""
    if _read(file, len(MAGIC)) != MAGIC:
        raise StreamError("not a frame stream: its first bytes are wrong")
    while True:
        kind, video, length = HEADER.unpack(_read(file, HEADER.size))
        if kind == FRAMES:
            count, rest = divmod(length, FRAME_BYTES)
            if rest or not 0 < count <= BLOCK_FRAMES:
                raise StreamError(f"damaged stream: a block of {length} bytes is not 1 to {BLOCK_FRAMES} frames")
            message = Frames(video, count, file)
            yield message
            if message.count:
                message.take(np.empty((message.count, *FRAME_SHAPE), np.uint8))
        elif kind in (BEGIN, END):
            if length > MAX_JSON_BYTES:
                raise StreamError(f"damaged stream: a text message of {length} bytes")
            yield (Begin if kind == BEGIN else End)(video, _json_object(_read(file, length)))
        elif kind == CLOSE:
            return
        else:
            raise StreamError(f"damaged stream: unknown message {kind!r}")


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"damaged stream: a text message is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise StreamError("damaged stream: a text message is not a JSON object")
    return value


def _read(file: BinaryIO, length: int) -> bytes:
    data = bytearray(length)
    _read_into(file, memoryview(data))
    return bytes(data)


def _read_into(file: BinaryIO, view: memoryview) -> None:
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise StreamError("the frame stream ends early: decode did not finish")
        view = view[count:]
