"""The constant rate at which the ffmpeg program writes a video as numbered pictures.

The program gives image files no timestamps, so it makes the rate constant while it encodes: it repeats and drops
frames until picture n shows the instant n / rate. Its rule is older than the `fps` filter and differs from it.

As in FFmpeg 7 (fftools: ffmpeg_filter.c), with the one thing that was otherwise before 6.1 (fftools/ffmpeg.c,
`do_video_out`) as an option.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

import av
import numpy as np
from av.video.stream import VideoStream

from i3d.decoding.held_file import UnreadableError
from i3d.decoding.resampling import MAX_GAP_SECONDS
from i3d.decoding.timestamps import MICROSECOND, FrameTimes
from i3d.decoding.video_file import Video, nearest

T = TypeVar("T")

DEFAULT_RATE = Fraction(25)  # where the file does not tell
TOLERANCE = 1.1  # in pictures: a frame this much too early or late is dropped or repeated
LEAD = 0.6  # in pictures: the earlier frame stays on until this long before the next one starts
OFF_HALF = 2.0**-17  # in pictures: keeps a time off the middle between two pictures


def picture_rate(stream: VideoStream) -> Fraction:
    """Pictures per second that the program writes of this stream."""
    return stream.guessed_rate or DEFAULT_RATE


def at_constant_rate(
    video: Video, frames: Iterable[av.VideoFrame], *, old: bool = False
) -> Iterator[tuple[int, av.VideoFrame]]:
    """A video's frames at `picture_rate`, as (place, frame); repeated and dropped as in `constant_rate`.

    `frames` come from `video.decode` with `PacketTimes(video).mend`. `old`: as before FFmpeg 6.1, see `constant_rate`.
    Raises UnreadableError at a hole of more than an hour in the timestamps.
    """
    times = FrameTimes(video)
    timed = ((*times(frame), frame) for frame in frames)
    alone = len(video.container.streams) == 1
    base = video.stream.time_base or MICROSECOND
    return constant_rate(timed, base, picture_rate(video.stream), from_first=alone, old=old)


def constant_rate(
    frames: Iterable[tuple[int, int, T]], base: Fraction, rate: Fraction, *, from_first: bool, old: bool = False
) -> Iterator[tuple[int, T]]:
    """Repeat and drop frames for a constant rate, in pictures per second; yields (place, frame).

    `frames` are (start, duration, frame), in ticks of `base` seconds from the start of the file; a duration of 0 counts
    as one picture. `from_first`: the first frame is the first picture, however late it starts; otherwise it fills the
    time before (the program does the former where the file holds the video alone, and the latter where it has sound).
    `old`: as before FFmpeg 6.1, which rounds a duration to whole pictures, to one at least. Places count up from 0, or
    from where the first frame stands. Raises UnreadableError at a hole of more than an hour.

    With `drift` and `end` for a frame's start and end, in pictures after the place that is next: one that ends more
    than 1.1 before that place is dropped, and one that ends up to 1.1 after it is shown once. Otherwise `end` pictures
    are shown, rounded: this frame, but, if `drift` is more than 1.1, in the first `drift` - 0.6 of them, rounded, the
    frame before it. The last frame comes again as often as the median of the last three such fillings.
    """
    shown = 0
    place = 0
    fillings = deque([0, 0, 0], maxlen=3)
    held: T | None = None
    for start, duration, frame in frames:
        instant = _instant(start * base, rate)
        length = float((duration or nearest(1 / rate / base)) * base * rate)
        if old:
            length = float(round(length) or 1)
        drift = instant - place
        end = drift + length
        if drift < 0 < end:
            length, instant, drift = length + drift, float(place), 0.0
        if from_first and not shown and drift >= 0.5:
            place, drift, end = round(instant), 0.0, length
        count, filling = 1, 0
        if end < -TOLERANCE:
            count = 0
        elif end > TOLERANCE:
            count = _rounded(end)
            filling = _rounded(drift - LEAD) if drift > TOLERANCE else 0
        if count > MAX_GAP_SECONDS * rate:
            raise UnreadableError(f"cannot be resampled: its timestamps jump by {count / float(rate):.0f} s")
        fillings.append(filling)
        for number in range(count):
            yield place, held if held is not None and number < filling else frame
            place += 1
        shown += count
        held = frame
    if held is not None and shown:
        for _ in range(sorted(fillings)[1]):
            yield place, held
            place += 1


def _instant(seconds: Fraction, rate: Fraction) -> float:
    """A time in pictures, as finely as the program knows it."""
    bits = min(max(29 - (rate.numerator.bit_length() - 1), 0), 16)
    instant = nearest(seconds * rate * 2**bits) / 2**bits
    if instant != round(instant):
        instant += OFF_HALF if instant > 0 else -OFF_HALF
    return instant


def _rounded(value: float) -> int:
    """To the nearest integer, halves to even, in single precision as the program does."""
    return round(float(np.float32(value)))
