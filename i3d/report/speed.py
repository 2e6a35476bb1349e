"""How fast a tree was extracted, from the times in the table.

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
    """Videos and frames through the network in `seconds` of wall time on `device` (several: joined by commas)."""

    videos: int
    frames: int
    seconds: float
    device: str

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def _span(row: Row) -> Span | None:
    """From the video's first frame at the network to its feature; None if the table does not say.

    Tables without `started` have the time between the two in `seconds`.
    """
    if row.ended is None:
        return None
    if row.began is not None:
        return row.began, max(row.began, row.ended)
    return None if row.seconds is None else (row.ended - timedelta(seconds=row.seconds), row.ended)


def _covered(spans: Iterable[Span], pause: timedelta = timedelta()) -> list[Span]:
    """Sort the spans and join any that overlap or lie at most `pause` apart."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin - joined[-1][1] <= pause:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def bundle_speeds(rows: Iterable[Row]) -> list[Speed]:
    """One speed per bundle, in the order in which they began; bundles of unknown times are left out."""
    bundles = sorted(_bundles(rows), key=lambda bundle: bundle[1][0])
    return [speed for own, spans in bundles if (speed := _speed(own, spans))]


def total_speed(rows: Iterable[Row]) -> Speed | None:
    """All bundles together over the time during which any of them ran; None if no times are known."""
    bundles = _bundles(rows)
    return _speed([row for own, _ in bundles for row in own], _covered(span for _, spans in bundles for span in spans))


def _bundles(rows: Iterable[Row]) -> list[tuple[list[Row], list[Span]]]:
    """The timed videos of each bundle, and when it ran."""
    bundles: dict[str, list[tuple[Row, Span]]] = defaultdict(list)
    for row in rows:
        if row.frames_decoded and (span := _span(row)):
            bundles[row.bundle or ""].append((row, span))
    return [([row for row, _ in own], _covered((span for _, span in own), INTERRUPTION)) for own in bundles.values()]


def _speed(rows: Sequence[Row], spans: Sequence[Span]) -> Speed | None:
    seconds = sum((end - begin).total_seconds() for begin, end in spans)
    devices = ", ".join(sorted({row.device for row in rows if row.device}))
    return Speed(len(rows), sum(row.frames_decoded or 0 for row in rows), seconds, devices) if seconds > 0 else None
