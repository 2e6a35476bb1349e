"""When each frame is shown, as the ffmpeg program has it before any filter.

1. `PacketTimes`: the packets' timestamps are moved so that the file starts at 0, and jumps in them are mended.
2. `FrameTimes`: a decoded frame starts at its presentation time, at its decoding time where the former cannot be
   right, and after the last one where it has neither.

Each keeps the state that the program keeps for it: FFmpeg 7, fftools/ffmpeg_demux.c and ffmpeg_dec.c;
libavcodec/decode.c.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.format import Flags

from i3d.decoding.video_file import Video, nearest

MICROSECOND = Fraction(1, av.time_base)
JUMP = 10 * av.time_base  # in microseconds: a longer step in a file whose clock may be reset is such a reset
ERROR = 30 * 3600 * av.time_base  # a longer step in any other file is a wrong timestamp
BACK = av.time_base // 10  # so far a file whose clock may be reset may step back without that
WRAP_BITS = {"mpegts": 33, "mpeg": 33, "flv": 32, "asf": 32}  # after so many bits a timestamp starts again at 0


class PacketTimes:
    """Moves a stream's packets to the start of the file, and mends jumps in their timestamps."""

    def __init__(self, video: Video) -> None:
        container, stream = video.container, video.stream
        self._base = stream.time_base or MICROSECOND
        self._resets = has_flag(video, Flags.ts_discont)  # the clock may be reset on the way
        self._made_up = has_flag(video, Flags.no_timestamps)
        self._start = container.start_time  # in microseconds, as all times here that have no other unit
        if self._start is not None and self._resets and stream.start_time is not None:
            self._start = self._in_microseconds(stream.start_time)  # other streams are not read
        self._offset = -(self._start or 0)
        self._wrap_bits: int | None = WRAP_BITS.get(container.format.name)
        self._rate = stream.codec_context.framerate
        self._lag = (
            1 / stream.average_rate if stream.codec_context.has_b_frames and stream.average_rate else Fraction(0)
        )
        self._mended = 0  # sum of the jumps taken out
        self._decoded: int | None = None  # when the last packet is decoded, and
        self._next: int | None = None  # the next one if the last one says how long it lasts

    def mend(self, packet: av.Packet) -> None:
        """Change the packet's timestamps; call it for every packet of the stream, in order, empty ones included."""
        self._unwrap(packet)
        self._shift(packet, self._offset)
        self._shift(packet, self._mended)
        if packet.dts is not None and self._next is not None:
            self._mend_jump(packet, self._in_microseconds(packet.dts) - self._next)
        self._count_on(packet)
        if self._made_up:  # by the demuxer
            packet.pts = packet.dts = None

    def _unwrap(self, packet: av.Packet) -> None:
        """Make timestamps negative that belong before the wrap, as long as there are such."""
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


class FrameTimes:
    """When a decoded frame starts, and how long it lasts, in ticks of the stream's time base.

    Frames without timestamps follow one another. Between presentation and decoding times that contradict, those win
    that ran backwards less often so far.
    """

    def __init__(self, video: Video) -> None:
        self._base = video.stream.time_base or MICROSECOND
        self._made_up = has_flag(video, Flags.no_timestamps)
        self._context, self._average = video.stream.codec_context, video.stream.average_rate
        self._faulty_pts = self._faulty_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._last_start: int | None = None
        self._last_guess = 0

    def __call__(self, frame: av.VideoFrame) -> tuple[int, int]:
        """(start, duration) of the frame; a duration of 0 says that it is unknown. Once per frame, in order."""
        start = self._best(frame.pts, frame.dts)
        if start is None:
            start = self.next_start
        self._last_guess = self._guess(start, frame.duration)
        self._last_start = start
        return start, frame.duration

    @property
    def next_start(self) -> int:
        """When a frame without timestamps that follows the last one would start, as far as can be told."""
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
        """How long the frame lasts, as far as a frame without timestamps after it is concerned."""
        step = start - self._last_start if self._last_start is not None else 0
        rate = self._context.framerate  # what the coded stream says
        coded = nearest(1 / rate / self._base) if rate else 0
        average = nearest(1 / self._average / self._base) if self._average else 0
        choices = (coded, step, duration) if self._made_up else (duration, step, coded)
        return next((ticks for ticks in (*choices, average, self._last_guess) if ticks > 0), 1)


def has_flag(video: Video, flag: Flags) -> bool:
    """Whether FFmpeg says so of the file's format."""
    return bool(video.container.format.flags & cast(int, flag.value))


def timed(video: Video, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame]]:
    """Add to each frame its start and end in seconds from the start of the file.

    `frames` come from `video.decode` with `PacketTimes(video).mend`.
    """
    times, base = FrameTimes(video), video.stream.time_base or MICROSECOND
    for frame in frames:
        start, _ = times(frame)
        yield start * base, times.next_start * base, frame
