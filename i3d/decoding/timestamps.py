"""Compute when each frame is shown, as the ffmpeg program does before any filter.

1. `PacketTimes` shifts the packets' timestamps so that the file starts at 0, and mends jumps in them.
2. `FrameClock`: a decoded frame starts at its presentation time, at its decoding time if the former cannot be right,
   or after the previous frame if it has neither.

Both follow FFmpeg 7: fftools/ffmpeg_demux.c and ffmpeg_dec.c, libavcodec/decode.c.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.format import Flags

from i3d.decoding.video_file import Video, nearest

MICROSECOND = Fraction(1, av.time_base)
# Limits in microseconds.
JUMP = 10 * av.time_base  # a longer step is a reset, in a file whose clock may be reset
ERROR = 30 * 3600 * av.time_base  # a longer step is a wrong timestamp, in any other file
BACK = av.time_base // 10  # a longer step back is a reset, in a file whose clock may be reset
WRAP_BITS = {"mpegts": 33, "mpeg": 33, "flv": 32, "asf": 32}  # width of a timestamp, which wraps to 0


class PacketTimes:
    """Shifts a stream's timestamps so that the file starts at 0, and mends jumps in them."""

    def __init__(self, video: Video) -> None:
        container, stream = video.container, video.stream
        self._base = stream.time_base or MICROSECOND
        self._resets = _has_flag(video, Flags.ts_discont)  # the clock may be reset within the file
        self._invented = _has_flag(video, Flags.no_timestamps)  # by the demuxer
        self._start = container.start_time  # in microseconds, like all times here without a unit
        if self._start is not None and self._resets and stream.start_time is not None:
            self._start = self._in_microseconds(stream.start_time)  # other streams are not read
        self._offset = -(self._start or 0)
        self._wrap_bits: int | None = WRAP_BITS.get(container.format.name)
        self._rate = stream.codec_context.framerate
        self._lag = Fraction(0)
        if stream.codec_context.has_b_frames and stream.average_rate:
            self._lag = 1 / stream.average_rate
        self._mended = 0  # sum of the jumps removed
        self._decoded: int | None = None  # when the last packet is decoded
        self._next: int | None = None  # when the next packet should be decoded, by the last one's duration

    def mend(self, packet: av.Packet) -> None:
        """Change a packet's timestamps. Call this for every packet of the stream, in order, including empty ones."""
        self._unwrap(packet)
        self._shift(packet, self._offset)
        self._shift(packet, self._mended)
        if packet.dts is not None and self._next is not None:
            self._mend_jump(packet, self._in_microseconds(packet.dts) - self._next)
        self._count_on(packet)
        if self._invented:
            packet.pts = packet.dts = None

    def _unwrap(self, packet: av.Packet) -> None:
        """Make timestamps from before the wrap negative, until a packet has none."""
        if self._wrap_bits is None or self._start is None:
            return
        wrap = 1 << self._wrap_bits
        latest = nearest(self._start * MICROSECOND / self._base) + wrap // 2
        self._wrap_bits = None
        if packet.dts is not None and packet.dts > latest:
            packet.dts -= wrap
            self._wrap_bits = wrap.bit_length() - 1
        if packet.pts is not None and packet.pts > latest:
            packet.pts -= wrap
            self._wrap_bits = wrap.bit_length() - 1

    def _mend_jump(self, packet: av.Packet, jump: int) -> None:
        if self._resets:
            stepped_back = self._decoded is not None and jump + (self._next or 0) + BACK < self._decoded
            if abs(jump) > JUMP or stepped_back:
                self._mended -= jump
                self._shift(packet, -jump)
            return
        if abs(jump) > ERROR:
            packet.dts = None
        if packet.pts is not None and abs(self._in_microseconds(packet.pts) - (self._next or 0)) > ERROR:
            packet.pts = None

    def _count_on(self, packet: av.Packet) -> None:
        if self._decoded is None:
            shown = 0 if packet.pts is None else self._in_microseconds(packet.pts)
            self._next = shown - int(self._lag / MICROSECOND)
        self._decoded = self._next if packet.dts is None else self._in_microseconds(packet.dts)
        if packet.duration:
            lasts = self._in_microseconds(packet.duration)
        else:
            lasts = nearest(1 / self._rate / MICROSECOND) if self._rate else 0
        self._next = (self._decoded or 0) + lasts

    def _shift(self, packet: av.Packet, microseconds: int) -> None:
        ticks = nearest(microseconds * MICROSECOND / self._base)
        if packet.dts is not None:
            packet.dts += ticks
        if packet.pts is not None:
            packet.pts += ticks

    def _in_microseconds(self, ticks: int) -> int:
        return nearest(ticks * self._base / MICROSECOND)


class FrameClock:
    """Computes when a decoded frame starts and how long it lasts, in ticks of the stream's time base.

    Frames without timestamps follow one another. If presentation and decoding times contradict each other, the kind
    that has run backwards less often is used.
    """

    def __init__(self, video: Video) -> None:
        self._base = video.stream.time_base or MICROSECOND
        self._invented = _has_flag(video, Flags.no_timestamps)
        self._context, self._average = video.stream.codec_context, video.stream.average_rate
        self._faulty_pts = self._faulty_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._last_start: int | None = None
        self._last_guess = 0

    def __call__(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Return a frame's (start, duration), 0 for an unknown duration. Once per frame, in order."""
        start = self._best(frame.pts, frame.dts)
        if start is None:
            start = self.next_start
        self._last_guess = self._guess(start, frame.duration)
        self._last_start = start
        return start, frame.duration

    @property
    def next_start(self) -> int:
        """When a following frame without timestamps would start."""
        return (self._last_start or 0) + self._last_guess

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
        if dts is not None or pts is not None:
            self._last_dts = pts if dts is None else dts
            self._last_pts = dts if pts is None else pts
        trusted = self._faulty_pts <= self._faulty_dts or dts is None
        return pts if pts is not None and trusted else dts

    def _guess(self, start: int, duration: int) -> int:
        """Guess how long the frame lasts before a following frame without timestamps."""
        step = start - self._last_start if self._last_start is not None else 0
        rate = self._context.framerate  # according to the coded stream
        coded = nearest(1 / rate / self._base) if rate else 0
        average = nearest(1 / self._average / self._base) if self._average else 0
        choices = (coded, step, duration) if self._invented else (duration, step, coded)
        return next((ticks for ticks in (*choices, average, self._last_guess) if ticks > 0), 1)


def _has_flag(video: Video, flag: Flags) -> bool:
    """Whether FFmpeg sets the flag for the file's format."""
    return bool(video.container.format.flags & cast(int, flag.value))


def timed(video: Video, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame]]:
    """Yield (start, end, frame), in seconds from the start of the file.

    `frames` must come from `video.decode` with `PacketTimes(video).mend`.
    """
    times, base = FrameClock(video), video.stream.time_base or MICROSECOND
    for frame in frames:
        start, _ = times(frame)
        yield start * base, times.next_start * base, frame
