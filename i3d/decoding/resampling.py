"""Resample frames to a constant rate by their timestamps."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import TypeVar

from i3d.decoding.held_file import UnreadableError
from i3d.decoding.video_file import nearest

T = TypeVar("T")

MAX_GAP_SECONDS = 3600  # a longer gap between timestamps counts as damage: it would be filled with copies


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
