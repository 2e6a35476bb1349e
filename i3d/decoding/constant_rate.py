"""Repeat and drop frames as the ffmpeg program does when it writes a video as numbered pictures.

Image files have no timestamps, so the program makes the rate constant: picture n shows the instant n / rate. Its rule
is older than the `fps` filter and differs from it. This is FFmpeg 7's rule (fftools/ffmpeg_filter.c); the only
difference before 6.1 (fftools/ffmpeg.c, `do_video_out`) is an option.
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

DEFAULT_RATE = Fraction(25)  # if the file states none
TOLERANCE = 1.1  # in pictures: how early or late a frame may be before it is dropped or repeated
LEAD = 0.6  # in pictures: how long before the next frame's start the earlier frame ends
OFF_HALF = 2.0**-17  # in pictures: moves a time off the middle between two pictures


def picture_rate(stream: VideoStream) -> Fraction:
    """Pictures per second that the program writes from this stream."""
    return stream.guessed_rate or DEFAULT_RATE


def at_constant_rate(
    video: Video, frames: Iterable[av.VideoFrame], *, old: bool = False
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield a video's frames at `picture_rate`, as (place, frame), repeated and dropped as in `constant_rate`.

    `frames` must come from `video.decode` with `PacketTimes(video).mend`. Raises UnreadableError if the timestamps jump
    by more than an hour.
    """
    times = FrameTimes(video)
    timed = ((*times(frame), frame) for frame in frames)
    alone = len(video.container.streams) == 1
    base = video.stream.time_base or MICROSECOND
    return constant_rate(timed, base, picture_rate(video.stream), from_first=alone, old=old)


def constant_rate(
    frames: Iterable[tuple[int, int, T]], base: Fraction, rate: Fraction, *, from_first: bool, old: bool = False
) -> Iterator[tuple[int, T]]:
    """Repeat and drop frames for a constant rate; yield (place, frame).

    Let `drift` and `end` be a frame's start and end, in pictures from the next place. A frame that ends more than 1.1
    before that place is dropped, and one that ends at most 1.1 after it is shown once. Otherwise round(end) pictures
    are shown: if `drift` is more than 1.1, the previous frame fills the first round(drift - 0.6) of them, and this
    frame the rest. The last frame is repeated as often as the median of the last three such fillings.

    Parameters
    ----------
    frames
        (start, duration, frame), in ticks of `base` seconds from the start of the file; a duration of 0 counts as one
        picture.
    rate
        Pictures per second.
    from_first
        Whether the first frame is the first picture, however late it starts, or also fills the time before. The program
        does the former in a file with the video alone, the latter in one with sound. Places count from 0 or, with
        `from_first`, from the first frame's.
    old
        Round durations to whole pictures, at least one, as FFmpeg before 6.1.

    Raises
    ------
    UnreadableError
        If the timestamps jump by more than an hour.
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
    """Convert seconds to pictures, with the program's precision."""
    bits = min(max(29 - (rate.numerator.bit_length() - 1), 0), 16)
    instant = nearest(seconds * rate * 2**bits) / 2**bits
    if instant != round(instant):
        instant += OFF_HALF if instant > 0 else -OFF_HALF
    return instant


def _rounded(value: float) -> int:
    """Round half to even in single precision, as the program does."""
    return round(float(np.float32(value)))
