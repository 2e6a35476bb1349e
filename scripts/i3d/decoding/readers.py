"""Readers: a video file in, RGB frames out. decord where it can be trusted, PyAV everywhere else.

decord 0.6 silently shifts, repeats or mangles frames of some files. Read in order, with one thread and no
tolerance for repeated frames, it gives what ffmpeg gives or raises, but for the cases that `distrust` sorts out
beforehand. PyAV's loop here does what the ffmpeg program does: goes on after a bad packet, flushes the decoder after
the file breaks off, takes the stream that ffmpeg would take, and turns the picture as the file asks.
"""

import contextlib
import os
import re
import stat
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, degrees, floor
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

T = TypeVar("T")

# Texts, playlists and picture lists that FFmpeg plays as videos; some of them would open other files.
NOT_VIDEO_FORMATS = {
    "tty",
    "hls",
    "dash",
    "concat",
    "sdp",
    "rtsp",
    "image2",
    "imf",
    "lavfi",
    "bin",
    "adf",
    "idf",
    "xbin",
}
MP4_FORMAT = "mov,mp4,m4a,3gp,3g2,mj2"  # the only container with edit lists
# The containers in which decord, read in order, gives what ffmpeg gives or raises.
DECORD_FORMATS = {MP4_FORMAT, "matroska,webm", "avi", "flv", "asf"}
DECORD_UNKNOWN_CODECS = {"av1", "libdav1d", "libaom-av1", "vvc", "gif"}  # newer than its FFmpeg 4, or refused by it
DECORD_MIN_WIDTH = 64  # below, it takes the padding of a row for more channels
DECORD_BASE_MB = 256  # interpreter, libraries, shared blocks
NOTHING_DECODED = "no frame could be decoded"
MAX_GAP_SECONDS = 3600  # a longer hole between two timestamps is damage, and would be filled with copies


class UnreadableError(Exception):
    """Nothing can be decoded, now or later; the message says why in plain words."""


class DecordError(Exception):
    """decord refused or would have given wrong frames; the message is one line."""


@dataclass
class Faults:
    """What PyAV decoded and what went wrong meanwhile."""

    frames: int = 0
    bad_packets: int = 0
    bad_frames: int = 0
    cut: bool = False

    def words(self, declared: int | None) -> str | None:
        """What is damaged, in words, None if nothing is; `declared` frames should have been decoded."""
        return damage(
            f"{self.bad_packets} packets could not be decoded" if self.bad_packets else None,
            f"{self.bad_frames} frames have errors" if self.bad_frames else None,
            "the file breaks off" if self.cut else None,
            shortfall(self.frames, declared),
        )


def damage(*found: str | None) -> str | None:
    """Join what was found, None if nothing was."""
    return "; ".join(filter(None, found)) or None


def shortfall(decoded: int, declared: int | None) -> str | None:
    """Words for fewer frames than the header declares, None if there are enough or it does not say."""
    return f"{decoded} of {declared} declared frames decoded" if declared and decoded < declared else None


class Video:
    """An open video: its container and the stream that ffmpeg would decode.

    Raises UnreadableError for what is no video, OSError for what cannot be read just now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = _regular_file_size(path)
        try:
            self.container: InputContainer = av.open(
                os.fspath(path), metadata_errors="replace", container_options={"protocol_whitelist": "file"}
            )
        except (av.FFmpegError, ValueError) as error:  # ValueError: PyAV on nonsensical parameters
            raise UnreadableError(_why_not_open(path, error)) from None
        self.format = self.container.format.name
        if self.format in NOT_VIDEO_FORMATS:
            raise UnreadableError(f"not a video but {self.format}")
        self.stream = _ffmpeg_choice(self.container)
        self.stream.codec_context.thread_count = 1  # several videos at once instead; and the same frames every time

    @property
    def declared(self) -> int | None:
        """How many frames the header declares, None if it does not say."""
        return self.stream.frames or None

    @property
    def rate(self) -> Fraction | None:
        """Frames per second, on average."""
        return self.stream.average_rate or self.stream.guessed_rate or None

    @property
    def seconds(self) -> Fraction | None:
        """How long the video is by its header, after its edit list."""
        if self.stream.duration is not None and self.stream.time_base:
            return self.stream.duration * self.stream.time_base
        return Fraction(self.container.duration, av.time_base) if self.container.duration else None

    def packets(self) -> Iterator[av.Packet]:
        """The stream's packets, without the empty one at the end; ends where the file breaks off. Once per Video."""
        with contextlib.suppress(av.FFmpegError, IndexError):
            yield from (packet for packet in self.container.demux(self.stream) if packet.size)

    def hidden_frames(self, progress: Callable[[], None]) -> int:
        """How many frames the edit list hides. Reads all packets and calls `progress` for each. Once per Video."""
        hidden = 0
        for packet in self.packets() if self.format == MP4_FORMAT else ():
            hidden += packet.is_discard
            progress()
        return hidden

    def decode(self, faults: Faults) -> Iterator[av.VideoFrame]:
        """Decode whatever can be decoded and note in `faults` what cannot. Once per Video."""
        context, packets = self.stream.codec_context, self.container.demux(self.stream)
        packet: av.Packet | None = None
        ended = False
        while not ended:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                packet, faults.cut = None, True
            except IndexError:  # PyAV at the end of a file in which a stream appeared on the way
                packet = None
            ended = packet is None
            if packet is not None and not packet.size:
                continue  # an empty one would flush the decoder; PyAV ends with one
            try:
                frames = context.decode(packet)
            except MemoryError:
                raise
            except av.FFmpegError:
                frames = []
                faults.bad_packets += 1
            for frame in frames:
                faults.frames += 1
                faults.bad_frames += frame.is_corrupt
                yield frame

    def timed(self, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame]]:
        """Add to each frame its start and end in seconds from the start of the file."""
        base = self.stream.time_base or Fraction(1, av.time_base)
        # ffmpeg rounds the file's start to the stream's time base before it subtracts it
        origin = base * _nearest(Fraction(self.container.start_time or 0, av.time_base) / base)
        end = Fraction(0)
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            start = end if stamp is None else stamp * base - origin
            rate = self.stream.codec_context.framerate or self.rate  # ffmpeg asks the coded stream first
            end = start + (frame.duration * base if frame.duration or not rate else 1 / rate)
            yield start, end, frame


class Picture:
    """Turns decoded frames into RGB pictures as ffmpeg shows them."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 (height, width, 3), turned and mirrored as the frame's display matrix says."""
        rgb = self._reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC").to_ndarray()
        return turn(rgb, display_matrix(frame))


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The linear part (a, b, c, d) of a frame's display matrix: x' = ax + cy, y' = bx + dy, in 1/65536."""
    data: SideData
    # Not `frame.side_data`, which ties the frame to its data in a cycle: large frames would pile up until collected.
    for data in SideDataContainer(frame):  # type: ignore[assignment, call-arg]  # PyAV's stubs promise keys
        if data.type is SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            return a, b, c, d
    return 1, 0, 0, 1


def turn(rgb: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Apply a display matrix to uint8 (h, w, 3) as ffmpeg's autorotation does.

    Quarter turns and mirrorings are exact; other angles keep the picture's size and fill its corners with black.
    """
    a, b, c, d = matrix
    if 50 * max(abs(b), abs(c)) < max(abs(a), abs(d)):  # within about one degree of upright
        return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if 50 * max(abs(a), abs(d)) < max(abs(b), abs(c)):
        return rgb.swapaxes(0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    return np.asarray(Image.fromarray(rgb).rotate(-degrees(atan2(b, a)), Image.Resampling.BILINEAR))


def resample(frames: Iterable[tuple[Fraction, Fraction, T]], fps: Fraction) -> Iterator[T]:
    """Choose (and repeat) frames for a constant rate, as ffmpeg's `fps` filter with its defaults does.

    `frames` are (start, end, frame) in seconds. The picture for the instant n/fps is the last whose start, rounded to
    the nearest such instant, is not after it; the first picture sets the first instant, and the end of the last one,
    rounded alike, ends it. Raises UnreadableError at a hole of more than an hour.
    """
    held: T | None = None
    instant, last_end = 0, Fraction(0)
    for start, end, frame in frames:
        due = _nearest(start * fps)
        if held is None:
            instant = due
        elif due - instant > MAX_GAP_SECONDS * fps:
            raise UnreadableError(f"cannot be resampled: its timestamps jump by {float((due - instant) / fps):.0f} s")
        while held is not None and instant < due:
            yield held
            instant += 1
        held, last_end = frame, end
    if held is not None:
        for _ in range(min(_nearest(last_end * fps) - instant, floor(MAX_GAP_SECONDS * fps))):
            yield held


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
    if len(_pictures_in_motion(video.container)) > 1:
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


def _regular_file_size(path: Path) -> int:
    """Size in bytes; opens the file so that a missing permission is an OSError, whatever FFmpeg would call it."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise UnreadableError("a directory, not a file" if stat.S_ISDIR(mode) else "not a regular file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
    if not size:
        raise UnreadableError("empty file")
    return size


def _why_not_open(path: Path, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "its header is nonsense: it asks for more memory than there is"
    if _lacks_moov(path):
        return "moov atom missing: the file is cut off"
    return "not a video that FFmpeg knows"


def mp4_boxes(path: Path) -> tuple[list[bytes], bool]:
    """The top-level boxes of an MP4 or QuickTime file, and whether the file ends before they do.

    ISO/IEC 14496-12, 4.2. Reads a few bytes of each box; of another kind of file the result means nothing.
    """
    kinds, end, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while end < size and len(head := file.read(16)) >= 8:
            length, kind = struct.unpack(">I4s", head[:8])
            if length == 1 and len(head) == 16:
                (length,) = struct.unpack(">Q", head[8:])
            if length < 8:  # 0: up to the end of the file
                end = size
                break
            kinds.append(kind)
            end += length
            file.seek(min(end, size))
    return kinds, end > size


def _lacks_moov(path: Path) -> bool:
    kinds, _ = mp4_boxes(path)
    return bool(kinds) and kinds[0] in (b"ftyp", b"mdat", b"wide", b"free", b"skip") and b"moov" not in kinds


def _pictures_in_motion(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not cover art."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _ffmpeg_choice(container: InputContainer) -> VideoStream:
    """The stream that the ffmpeg program takes: most pixels, a default stream counting 5 million more."""
    streams = _pictures_in_motion(container)
    if not streams:
        raise UnreadableError("no video stream, only a cover picture" if container.streams.video else "no video stream")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise UnreadableError("no decoder for its codec")

    def score(stream: VideoStream) -> int:
        return stream.width * stream.height + (5_000_000 if stream.disposition & Disposition.default else 0)

    return max(streams, key=score)


def _first_line(error: Exception, path: Path) -> str:
    """decord's message without its time, source line, stack and file path."""
    line = next(iter(str(error).replace(os.fspath(path), path.name).splitlines()), "")
    return re.sub(r".*\.cc:\d+: ", "", line)[:120].strip() or type(error).__name__


def _nearest(value: Fraction) -> int:
    """Round half away from zero, as FFmpeg does."""
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(Fraction(1, 2) - value)
