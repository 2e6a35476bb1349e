"""decord, where its frames are ffmpeg's.

decord 0.6 silently shifts, repeats or mangles frames of some files. Read in order, with one thread and no tolerance
for repeated frames, it gives what ffmpeg gives or raises, but for the cases that `distrust` sorts out beforehand.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from i3d.decoding.damage import Faults
from i3d.decoding.pictures import display_matrix, turning_filters
from i3d.decoding.video_file import MP4_FORMAT, Video, pictures_in_motion

# The containers in which decord, read in order, gives what ffmpeg gives or raises.
DECORD_FORMATS = {MP4_FORMAT, "matroska,webm", "avi", "flv", "asf"}
DECORD_UNKNOWN_CODECS = {"av1", "libdav1d", "libaom-av1", "vvc", "gif"}  # newer than its FFmpeg 4, or refused by it
# Where its FFmpeg 4 was found to convert to RGB as ffmpeg does; it does not for 4:1:0, 4:1:1, 4:4:0, NV12, deep ones.
DECORD_PIXEL_FORMATS = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray"}
DECORD_MIN_WIDTH = 64  # below, it takes the padding of a row for more channels
DECORD_MAX_PIXELS = 640 * 360  # above, PyAV is clearly faster
DECORD_BASE_MB = 256  # interpreter, libraries, shared blocks


class DecordError(Exception):
    """decord refused or would have given wrong frames; the message is one line."""


def distrust(video: Video, hidden_frames: int, memory_mb: int, progress: Callable[[], None]) -> str | None:
    """Why decord must not read this video, None if it may and its frames will be ffmpeg's.

    Decodes the key pictures and calls `progress` for each: use another Video to read. `hidden_frames` is what the edit
    list hides, `memory_mb` what the process may use.
    """
    stream, codec = video.stream, video.stream.codec_context.codec
    try:
        os.fspath(video.path).encode()
    except UnicodeEncodeError:
        return "decord cannot open a name that is not UTF-8"
    if video.format not in DECORD_FORMATS:
        return f"decord is unreliable on {video.format}"
    if codec.name in DECORD_UNKNOWN_CODECS:
        return f"decord cannot decode {codec.name}"
    if len(pictures_in_motion(video.container)) > 1:
        return "decord takes another of the video streams than ffmpeg"
    if stream.width * stream.height > DECORD_MAX_PIXELS:
        return "PyAV is faster on pictures of this size"
    if codec.intra_only or codec.name == "vp9":
        return f"{codec.name} may change size or format at any picture, which decord does not follow"
    if stream.width < DECORD_MIN_WIDTH:
        return f"decord is unreliable on pictures {stream.width} wide"
    if stream.height % 2:
        return "decord smears the colours of pictures of odd height"
    if not video.seconds:
        return "decord needs a duration in the header"
    if hidden_frames:
        return "decord does not respect the edit list"
    # It decodes ahead without bound, the more the busier the machine: the video must fit into memory as a whole.
    frames = video.declared or int(video.seconds * (video.rate or 0))
    needed_mb = (frames * stream.width * stream.height * 3 + video.size >> 20) + DECORD_BASE_MB
    if needed_mb > memory_mb:
        return f"decord may need {needed_mb} MB of memory"
    return _distrust_of_pictures(video, progress)


def _distrust_of_pictures(video: Video, progress: Callable[[], None]) -> str | None:
    """What in the pictures decord would show otherwise. Format, size and turning change with a key picture only."""
    size = video.stream.width, video.stream.height
    video.stream.codec_context.skip_frame = "NONKEY"
    for frame in video.decode(Faults()):
        progress()
        if frame.format.name not in DECORD_PIXEL_FORMATS:
            return f"decord converts {frame.format.name} pictures otherwise than ffmpeg"
        if (frame.width, frame.height) != size:
            return "decord does not follow a change of the picture's size"
        if turning_filters(display_matrix(frame)):
            return "decord does not turn pictures as ffmpeg does"
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
