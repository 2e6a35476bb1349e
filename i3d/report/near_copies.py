"""Decide which pairs of videos across splits are near copies, and when the features allow it."""

from collections.abc import Sequence
from dataclasses import dataclass

from i3d import quantities
from i3d.report.statistics import Neighbour, Statistics
from i3d.settings import RANDOM

# bench/near_copies.py measured both; docs/near-copies.md has the figures.
NEAR_COPY = 0.8  # similarity from which a pair is considered a near copy
FEWEST = 40  # videos outside the split; with fewer, unrelated ones can be as similar as copies
MOST = 0.5  # share of near copies beyond which similarity has another cause, such as the same camera


@dataclass(frozen=True)
class NearCopies:
    """The similarity from which a pair is a near copy (None: not recognisable), and the finding in words."""

    threshold: float | None
    near: int
    title: str
    note: str

    def is_near(self, pair: Neighbour) -> bool:
        """Whether the pair is a near copy."""
        return self.threshold is not None and pair.similarity >= self.threshold


def compare(statistics: Statistics, pairs: Sequence[Neighbour], split: str) -> NearCopies:
    """Find near copies among `pairs`, unless the features of this tree cannot show them."""
    if not pairs:
        why = f"features are needed in {split} and in another split"
        return NearCopies(None, 0, f"Nothing to compare: {why}", f"Nothing to compare: {why}.")
    near = sum(pair.similarity >= NEAR_COPY for pair in pairs)
    if why := _why_withheld(statistics, len(pairs), near):
        return NearCopies(None, 0, "Near copies cannot be recognised here", f"Near copies are not pointed out: {why}.")
    videos = quantities.count(len(pairs), f"{split} video")
    title = f"Near copies in another split: {near:,} of {videos}"
    note = (
        f"{near:,} of {videos} with a near copy in another split (similarity from {NEAR_COPY:g} on): a copy, or the "
        "same scene at another moment."
    )
    return NearCopies(NEAR_COPY, near, title if near else f"No {split} video has a near copy in another split", note)


def _why_withheld(statistics: Statistics, pairs: int, near: int) -> str:
    """Why the features of a tree do not distinguish copies from other videos; empty if they do."""
    if any(row.weights == RANDOM for row in statistics.rows):
        return "features of random weights show colours and brightness, not content"
    others = len(statistics.rows) - pairs
    if others < FEWEST:
        videos = quantities.count(others, "video")
        return f"with {videos} in the other splits, fewer than {FEWEST}, unrelated ones can be as similar as copies"
    if near > MOST * pairs:
        return (
            f"{near:,} of {quantities.count(pairs, 'video')} are as similar as copies to one of another split, as "
            "recordings of one camera are"
        )
    return ""
