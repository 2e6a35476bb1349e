"""How fast a tree was extracted, told from the times in the table.

Videos of a bundle overlap on the device, and bundles overlap on a cluster, so times are never added up: a rate is the
frames divided by the time during which at least one of the videos was at work.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from i3d.records.record import Row

# A bundle with a longer pause than this was interrupted and resumed; shorter ones are waits for frames, which count.
INTERRUPTION = timedelta(minutes=10)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Speed:
    """What went through the network in `seconds` of wall time on `device` (several: joined by commas)."""

    videos: int
    frames: int
    seconds: float
    device: str

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def span(row: Row) -> Span | None:
    """From the video's first frame at the network to its feature; None if the table does not tell.

    Tables without `started` have the time between the two in `seconds`.
    """
    if row.ended is None:
        return None
    if row.began is not None:
        return row.began, max(row.began, row.ended)
    return None if row.seconds is None else (row.ended - timedelta(seconds=row.seconds), row.ended)


def covered(spans: Iterable[Span], pause: timedelta = timedelta()) -> list[Span]:
    """The spans with those joined that overlap or lie at most `pause` apart, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin - joined[-1][1] <= pause:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def seconds_of(spans: Iterable[Span]) -> float:
    """How long they are together."""
    return sum((end - begin).total_seconds() for begin, end in spans)


def bundle_speeds(rows: Iterable[Row]) -> list[Speed]:
    """One speed per bundle, in the order in which they began; those whose times are unknown are left out."""
    found = [(spans[0], _speed(own, spans)) for own, spans in _bundles(rows)]
    return [speed for _, speed in sorted(found, key=lambda pair: pair[0]) if speed]


def total_speed(rows: Iterable[Row]) -> Speed | None:
    """All bundles together over the time during which any of them ran; None if no times are known."""
    bundles = _bundles(rows)
    return _speed([row for own, _ in bundles for row in own], covered(span for _, spans in bundles for span in spans))


def _bundles(rows: Iterable[Row]) -> list[tuple[list[Row], list[Span]]]:
    """The timed videos of each bundle, and when it ran."""
    bundles: dict[str, list[tuple[Row, Span]]] = defaultdict(list)
    for row in rows:
        if row.frames_decoded and (own := span(row)):
            bundles[row.bundle or ""].append((row, own))
    return [([row for row, _ in timed], covered((own for _, own in timed), INTERRUPTION)) for timed in bundles.values()]


def _speed(rows: Sequence[Row], spans: Sequence[Span]) -> Speed | None:
    seconds = seconds_of(spans)
    devices = ", ".join(sorted({row.device for row in rows if row.device}))
    return Speed(len(rows), sum(row.frames_decoded or 0 for row in rows), seconds, devices) if seconds > 0 else None
