"""Open a video file and decode it with PyAV as the ffmpeg program does.

It decodes the stream that ffmpeg would choose, continues after a bad packet and flushes the decoder after the file
breaks off.
"""

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import cast

import av
from av.container import Flags as ContainerFlags
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from i3d.decoding.damage import Faults
from i3d.decoding.file_kinds import MP4_FORMAT, breaks_off, left_out, why_no_video, why_not_open
from i3d.decoding.held_file import HeldFile, Reading, UnreadableError

# Texts, playlists and picture lists that FFmpeg plays as videos; some of them would open other files.
NOT_VIDEO_FORMATS = {
    *("tty", "hls", "dash", "concat", "sdp", "rtsp", "image2", "imf", "lavfi", "bin", "adf", "idf", "xbin"),
}
PROBED_BYTES = 5_000_000  # FFmpeg's default
OPTIONS = {"protocol_whitelist": "file", "scan_all_pmts": "1"}  # the latter as in ffmpeg, for transport streams


class Video:
    """An open video: its container and the stream that ffmpeg would decode.

    `hidden` counts the frames read so far that the edit list hides. Raises UnreadableError if the file is not a video,
    OSError if it cannot be read at present.
    """

    def __init__(self, file: HeldFile | Path) -> None:
        self.file = file if isinstance(file, HeldFile) else HeldFile(file)
        self.hidden = 0
        self._end = 0  # offset in bytes of the end of the last packet read
        self._reading = Reading(self.file)
        try:
            self.container = _opened(self._reading)
        except (av.FFmpegError, ValueError) as error:  # ValueError from PyAV on nonsensical parameters
            self._reading.raise_error()
            if isinstance(error, MemoryError):
                raise UnreadableError("its header is nonsense: it asks for more memory than there is") from None
            raise UnreadableError(why_not_open(self.file)) from None
        self._reading.raise_error()
        # PyAV would invent timestamps, wrong ones in AVI.
        self.container.flags &= ~cast(int, ContainerFlags.gen_pts.value)
        self.format = self.container.format.name
        if self.format in NOT_VIDEO_FORMATS:
            raise UnreadableError(f"not a video but {self.format}")
        self.stream = _ffmpeg_choice(self.file, self.container)
        self.stream.codec_context.thread_count = 1  # reproducible frames; several videos are decoded at once instead

    @property
    def declared(self) -> int | None:
        """Number of frames in the header, minus those found hidden so far; None if it states none."""
        return self.stream.frames - self.hidden if self.stream.frames else None

    @property
    def rate(self) -> Fraction | None:
        """Average frames per second."""
        return self.stream.average_rate or self.stream.guessed_rate or None

    @property
    def seconds(self) -> Fraction | None:
        """Duration in the header, after the edit list."""
        if self.stream.duration is not None and self.stream.time_base:
            return self.stream.duration * self.stream.time_base
        return Fraction(self.container.duration, av.time_base) if self.container.duration else None

    @property
    def estimated(self) -> int | None:
        """Number of frames by duration and average rate; None if the header lacks one of them."""
        return round(self.seconds * self.rate) if self.seconds and self.rate else None

    @property
    def breaks_off(self) -> bool:
        """Whether the file is shorter than its header says. Not looked at if frames declared tell the same."""
        return not self.declared and breaks_off(self.file, self.format)

    def packets(self) -> Iterator[av.Packet]:
        """Yield the stream's packets up to where the file breaks off, without the empty last one. Once per Video.

        Raises OSError if the file cannot be read at present.
        """
        with contextlib.suppress(av.FFmpegError, IndexError):
            yield from (packet for packet in self.container.demux(self.stream) if packet.size)
        self._reading.raise_error()

    def why_no_video(self, frames: int) -> str | None:
        """Say why this is not a video, given the number of frames decoded from it; None if it is."""
        return why_no_video(self.file, self.format, frames)

    @property
    def left_out(self) -> str | None:
        """Which video in the file is not decoded, in words; None if there is none. Known once all was read."""
        return left_out(self.file, self.format, self._end)

    def decode(self, faults: Faults, mend: Callable[[av.Packet], None] | None = None) -> Iterator[av.VideoFrame]:
        """Decode whatever can be decoded; note the rest in `faults`. Once per Video.

        `mend` may change each packet's timestamps before it is decoded. Raises OSError if the file cannot be read at
        present, MemoryError if there is too little memory.
        """
        context, packets = self.stream.codec_context, self.container.demux(self.stream)
        packet: av.Packet | None = None
        ended = False
        while not ended:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except av.FFmpegError:
                packet, faults.cut = None, True
            except IndexError:  # PyAV at the end of a file in which another stream appeared midway
                packet = None
            self._reading.raise_error()
            ended = packet is None
            if packet is not None and mend is not None:
                mend(packet)
            if packet is not None and not packet.size:
                continue  # an empty packet, PyAV's last one, would flush the decoder
            if packet is not None:
                self._end = max(self._end, (packet.pos or 0) + packet.size)
                self.hidden += self.format == MP4_FORMAT and packet.is_discard
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
        faults.cut = faults.cut or self.breaks_off


def pictures_in_motion(container: InputContainer) -> list[VideoStream]:
    """List the video streams that are not cover art."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def nearest(value: Fraction) -> int:
    """Round half away from zero, as FFmpeg does."""
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(Fraction(1, 2) - value)


def _opened(reading: Reading) -> InputContainer:
    return av.open(reading, mode="r", metadata_errors="replace", container_options=OPTIONS)


def _ffmpeg_choice(file: HeldFile, container: InputContainer) -> VideoStream:
    """Choose the stream as the ffmpeg program does.

    One of which the beginning of the file holds something, then the one of most pixels, with 5 million more for a
    default stream.
    """
    streams = pictures_in_motion(container)
    if not streams:
        raise UnreadableError("no video stream, only a cover picture" if container.streams.video else "no video stream")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise UnreadableError("no decoder for its codec")
    if len(streams) == 1:
        return streams[0]
    begun = _begun(file, {stream.index for stream in streams})

    def score(stream: VideoStream) -> tuple[bool, int]:
        default = bool(stream.disposition & Disposition.default)
        return stream.index in begun, stream.width * stream.height + 5_000_000 * default

    return max(streams, key=score)


def _begun(file: HeldFile, wanted: set[int]) -> set[int]:
    """Find out of which of these streams, by index, there are packets where FFmpeg probes a file."""
    reading, begun, size = Reading(file), set[int](), 0
    with contextlib.suppress(av.FFmpegError, IndexError):
        for packet in _opened(reading).demux():
            size += packet.size
            if packet.size and packet.stream_index in wanted:
                begun.add(packet.stream_index)
            if begun == wanted or size > PROBED_BYTES:
                break
    reading.raise_error()
    return begun
