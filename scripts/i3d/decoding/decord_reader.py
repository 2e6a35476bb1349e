"""decord, where its frames are ffmpeg's.

decord 0.6 silently shifts, repeats or mangles frames of some files. Read in order, with one thread and no tolerance
for repeated frames, it gives what ffmpeg gives or raises, but for the cases that `distrust` sorts out beforehand.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from i3d.decoding.damage import Faults
from i3d.decoding.pictures import display_matrix
from i3d.decoding.video_file import MP4_FORMAT, Video, pictures_in_motion

# The containers in which decord, read in order, gives what ffmpeg gives or raises.
DECORD_FORMATS = {MP4_FORMAT, "matroska,webm", "avi", "flv", "asf"}
DECORD_UNKNOWN_CODECS = {"av1", "libdav1d", "libaom-av1", "vvc", "gif"}  # newer than its FFmpeg 4, or refused by it
DECORD_MIN_WIDTH = 64  # below, it takes the padding of a row for more channels
DECORD_BASE_MB = 256  # interpreter, libraries, shared blocks


class DecordError(Exception):
    """decord refused or would have given wrong frames; the message is one line."""


def distrust(video: Video, hidden_frames: int, memory_mb: int) -> str | None:
    """Why decord must not read this video, None if it may. Decodes a frame: use another Video to read.

    `hidden_frames` is what the edit list hides, `memory_mb` what the process may use.
    """
    stream = video.stream
    try:
        os.fspath(video.path).encode()
    except UnicodeEncodeError:
        return "decord cannot open a name that is not UTF-8"
    if video.format not in DECORD_FORMATS:
        return f"decord is unreliable on {video.format}"
    if stream.codec_context.name in DECORD_UNKNOWN_CODECS:
        return f"decord cannot decode {stream.codec_context.name}"
    if len(pictures_in_motion(video.container)) > 1:
        return "decord takes another of the video streams than ffmpeg"
    if stream.width < DECORD_MIN_WIDTH:
        return f"decord is unreliable on pictures {stream.width} wide"
    if stream.height % 2:
        return "decord smears the colours of pictures of odd height"
    if stream.format and max((part.bits for part in stream.format.components), default=8) > 8:
        return "decord converts pictures of more than 8 bits otherwise than ffmpeg"
    if not video.seconds:
        return "decord needs a duration in the header"
    if hidden_frames:
        return "decord does not respect the edit list"
    # It decodes ahead without bound, the more the busier the machine: the video must fit into memory as a whole.
    frames = video.declared or int(video.seconds * (video.rate or 0))
    needed_mb = (frames * stream.width * stream.height * 3 + video.size >> 20) + DECORD_BASE_MB
    if needed_mb > memory_mb:
        return f"decord may need {needed_mb} MB of memory"
    first = next(video.decode(Faults()), None)
    if first is not None:
        a, b, c, d = display_matrix(first)
        if a * d - b * c < 0 or ((a or d) and (b or c)):
            return "decord does not mirror or skew"
    return None


def decord_frames(path: Path) -> Iterator[np.ndarray]:
    """Frames as uint8 (height, width, 3) in the one mode of decord that is honest: in order, one thread, no repeats.

    Raises DecordError, possibly after some frames.
    """
    import decord  # only workers that use it pay for it

    decord.logging.set_level(decord.logging.ERROR)
    try:
        reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1, fault_tol=1e-9)
        shape = None
        for _ in range(len(reader)):
            frame = reader.next().asnumpy()
            shape = shape or (*frame.shape[:2], 3)
            if frame.shape != shape:
                raise DecordError(f"decord gave a frame of shape {frame.shape}")
            yield frame
    except Exception as error:  # decord's errors have no common base
        raise DecordError(_first_line(error, path)) from None


@contextlib.contextmanager
def decoder_complaints() -> Iterator[list[str]]:
    """Collect what a C library writes to standard error inside the block: all that decord tells of damage."""
    complaints: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield complaints
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            complaints += file.read().decode(errors="replace").splitlines()


def _first_line(error: Exception, path: Path) -> str:
    """decord's message without its time, source line, stack and file path."""
    line = next(iter(str(error).replace(os.fspath(path), path.name).splitlines()), "")
    return re.sub(r".*\.cc:\d+: ", "", line)[:120].strip() or type(error).__name__
