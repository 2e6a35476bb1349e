"""Bring frames to a constant rate, by either of ffmpeg's rules.

`resample` is the rule of its `fps` filter. `constant_rate` is the older one by which the program writes a video as
numbered pictures: image files have no timestamps, so picture n shows the instant n / rate. It follows FFmpeg 7
(fftools/ffmpeg_filter.c); the only difference before 6.1 (fftools/ffmpeg.c, `do_video_out`) is an option.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import TypeVar

import av
import numpy as np
from av.video.stream import VideoStream

from i3d.decoding.held_file import UnreadableError
from i3d.decoding.timestamps import MICROSECOND, FrameClock
from i3d.decoding.video_file import Video, nearest

T = TypeVar("T")

MAX_GAP_SECONDS = 3600  # a longer gap between timestamps counts as damage: it would be filled with copies
DEFAULT_RATE = Fraction(25)  # if the file states none
TOLERANCE = 1.1  # in pictures: how early or late a frame may be before it is dropped or repeated
LEAD = 0.6  # in pictures: how long before the next frame's start the earlier frame ends
OFF_HALF = 2.0**-17  # in pictures: moves a time off the middle between two pictures


def resample(
    frames: Iterable[tuple[Fraction, Fraction, T]], fps: Fraction, kind: Callable[[T], object] = lambda _: None
) -> Iterator[T]:
    """Select and repeat frames for a constant rate, as ffmpeg's `fps` filter does by default.

    `frames` are (start, end, frame) in seconds. The frame at the instant n/fps is the last one whose start, rounded to
    such an instant, is not after it; instants run from the first frame's start to the last one's end, both rounded.
    When `kind` of a frame changes, ffmpeg replaces the filter and loses the frame that waits in it. Raises
    UnreadableError if the timestamps jump by more than an hour.
    """
    held: T | None = None
    instant, last_end = 0, Fraction(0)
    for start, end, frame in frames:
        due = nearest(start * fps)
        if held is None or kind(held) != kind(frame):
            held = None
            instant = due
        elif due - instant > MAX_GAP_SECONDS * fps:
            raise UnreadableError(f"cannot be resampled: its timestamps jump by {float((due - instant) / fps):.0f} s")
        while held is not None and instant < due:
            yield held
            instant += 1
        held, last_end = frame, end
    if held is not None:
        for _ in range(min(nearest(last_end * fps) - instant, floor(MAX_GAP_SECONDS * fps))):
            yield held


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
    times = FrameClock(video)
    timed = ((*times(frame), frame) for frame in frames)
    alone = len(video.container.streams) == 1
    base = video.stream.time_base or MICROSECOND
    return constant_rate(timed, base, picture_rate(video.stream), from_first=alone, old=old)


def constant_rate(
    frames: Iterable[tuple[int, int, T]], base: Fraction, rate: Fraction, *, from_first: bool, old: bool = False
) -> Iterator[tuple[int, T]]:
    """Repeat and drop frames for a constant rate; yield (place, frame).

    Let `drift` and `end` be a frame's start and end, in pictures from the next place. A frame that ends more than 1.1
    before that place is dropped, and if it ends at most 1.1 after it, it is shown once. Otherwise round(end) pictures
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
