"""Read videos with decord, if its frames equal ffmpeg's.

decord 0.6 silently shifts, repeats or mangles frames of some files. Reading in order, with one thread and no tolerance
for repeated frames, it returns ffmpeg's frames or raises, except in the cases that `distrust` and `distrust_pictures`
rule out beforehand.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from i3d.decoding.damage import Faults
from i3d.decoding.file_kinds import MP4_FORMAT
from i3d.decoding.held_file import HeldFile
from i3d.decoding.pictures import display_matrix, turning_filters
from i3d.decoding.video_file import Video, pictures_in_motion

# Containers in which decord, reading in order, returns ffmpeg's frames or raises.
DECORD_FORMATS = {MP4_FORMAT, "matroska,webm", "avi", "flv", "asf"}
DECORD_UNKNOWN_CODECS = {"av1", "libdav1d", "libaom-av1", "vvc", "gif"}  # newer than its FFmpeg 4, or refused by it
# Formats that its FFmpeg 4 converts to RGB as ffmpeg does, unlike 4:1:0, 4:1:1, 4:4:0, NV12 and more than 8 bits.
DECORD_PIXEL_FORMATS = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray"}
DECORD_MIN_WIDTH = 64  # in narrower pictures it mistakes a row's padding for channels
DECORD_MAX_PIXELS = 640 * 360  # in larger pictures PyAV is clearly faster
DECORD_BASE_MB = 256  # for interpreter, libraries and shared blocks


class DecordError(Exception):
    """decord failed or returned a wrong frame; the message is one line."""


def distrust(video: Video, memory_mb: int) -> str | None:
    """Say why decord must not read this video, judging by its header; None if it may.

    `memory_mb` is the memory limit of the process.
    """
    stream, codec = video.stream, video.stream.codec_context.codec
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
    if video.breaks_off:
        return "decord does not notice that the file breaks off"
    if not video.seconds:
        return "decord needs a duration in the header"
    # decord decodes ahead without bound, further on a busy machine: the whole video must fit into memory.
    frames = video.declared or int(video.seconds * (video.rate or 0))
    needed_mb = (frames * stream.width * stream.height * 3 + video.file.size >> 20) + DECORD_BASE_MB
    if needed_mb > memory_mb:
        return f"decord may need {needed_mb} MB of memory"
    return None


def distrust_pictures(video: Video, progress: Callable[[], None]) -> str | None:
    """Say why decord's frames would differ from ffmpeg's, judging by packets and key pictures; None if they would not.

    Reads the whole video, but decodes only the key pictures: format, size and rotation can change only there. Calls
    `progress` for each packet. Once per Video.
    """
    size = video.stream.width, video.stream.height
    video.stream.codec_context.skip_frame = "NONKEY"
    for frame in video.decode(Faults(), lambda _: progress()):
        if frame.format.name not in DECORD_PIXEL_FORMATS:
            return f"decord converts {frame.format.name} pictures otherwise than ffmpeg"
        if (frame.width, frame.height) != size:
            return "decord does not follow a change of the picture's size"
        if turning_filters(display_matrix(frame)):
            return "decord does not turn pictures as ffmpeg does"
    return "decord does not respect the edit list" if video.hidden else None


def decord_frames(file: HeldFile) -> Iterator[np.ndarray]:
    """Yield frames, uint8 (height, width, 3), in decord's only reliable mode: in order, one thread, no repeats.

    Raises DecordError, possibly after some frames.
    """
    import decord  # slow, so only workers that need it import it

    decord.logging.set_level(decord.logging.ERROR)
    name = ""
    try:
        with file.name() as name:
            reader = decord.VideoReader(name, ctx=decord.cpu(0), num_threads=1, fault_tol=1e-9)
        shape = None
        for _ in range(len(reader)):
            frame = reader.next().asnumpy()
            shape = shape or (*frame.shape[:2], 3)
            if frame.shape != shape:
                raise DecordError(f"decord gave a frame of shape {frame.shape}")
            yield frame
    except UnicodeEncodeError:
        raise DecordError("it cannot open a name that is not UTF-8") from None
    except Exception as error:  # decord's errors have no common base
        raise DecordError(_first_line(error, name, file.path.name)) from None


@contextlib.contextmanager
def decoder_complaints() -> Iterator[list[str]]:
    """Collect the lines that C code writes to standard error inside the block: decord reports damage only there."""
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


def _first_line(error: Exception, path: str, name: str) -> str:
    """Return decord's message without time, source line and stack, and with the file's name instead of its path."""
    line = next(iter(str(error).replace(path, name).splitlines()), "")
    return re.sub(r".*\.cc:\d+: ", "", line)[:120].strip() or type(error).__name__
