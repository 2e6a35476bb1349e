"""A constant frame rate from timestamps."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import TypeVar

from i3d.decoding.held_file import UnreadableError
from i3d.decoding.video_file import nearest

T = TypeVar("T")

MAX_GAP_SECONDS = 3600  # a longer hole between two timestamps is damage, and would be filled with copies


def resample(
    frames: Iterable[tuple[Fraction, Fraction, T]], fps: Fraction, kind: Callable[[T], object] = lambda _: None
) -> Iterator[T]:
    """Choose (and repeat) frames for a constant rate, as ffmpeg's `fps` filter with its defaults does.

    `frames` are (start, end, frame) in seconds. The picture for the instant n/fps is the last whose start, rounded to
    the nearest such instant, is not after it; the first picture sets the first instant, and the end of the last one,
    rounded alike, ends it. Where `kind` of a frame is not that of the one before, ffmpeg puts a new filter in the place
    of the old one, with which the frame that waits there is lost. Raises UnreadableError at a hole of more than an
    hour.
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
