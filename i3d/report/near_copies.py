"""Which pairs of videos across splits are near copies of one another, and when that can be told."""

from collections.abc import Sequence
from dataclasses import dataclass

from i3d import quantities
from i3d.report.statistics import Neighbour, Statistics
from i3d.settings import RANDOM

# bench/near_copies.py measured both; docs/near-copies.md has the figures.
NEAR_COPY = 0.8  # similarity from which a pair is taken for a near copy
FEWEST = 40  # videos outside the split, below which unrelated ones come as near as copies
MOST = 0.5  # share of near copies beyond which similarity tells something else, such as the camera


@dataclass(frozen=True)
class Comparison:
    """From which similarity on a pair is a near copy (None: that cannot be told), and what that finds."""

    threshold: float | None
    near: int
    title: str
    note: str

    def is_near(self, pair: Neighbour) -> bool:
        """Whether the pair is to be pointed out."""
        return self.threshold is not None and pair.similarity >= self.threshold


def compare(statistics: Statistics, pairs: Sequence[Neighbour], split: str) -> Comparison:
    """Find near copies among `pairs`, where the features of this tree can tell them."""
    if not pairs:
        why = f"features are needed in {split} and in another split"
        return Comparison(None, 0, f"Nothing to compare: {why}", f"Nothing to compare: {why}.")
    if why := why_withheld(statistics, pairs):
        return Comparison(None, 0, "Near copies cannot be told here", f"Near copies are not pointed out: {why}.")
    near = sum(pair.similarity >= NEAR_COPY for pair in pairs)
    videos = quantities.count(len(pairs), f"{split} video")
    title = f"Near copies in another split: {near:,} of {videos}"
    note = (
        f"{near:,} of {videos} with a near copy in another split (similarity from {NEAR_COPY:g} on): a copy, or the "
        "same scene at another moment."
    )
    return Comparison(NEAR_COPY, near, title if near else f"No {split} video has a near copy in another split", note)


def why_withheld(statistics: Statistics, pairs: Sequence[Neighbour]) -> str:
    """Why the features of a tree do not tell copies from other videos; empty if they do."""
    if any(row.weights == RANDOM for row in statistics.rows):
        return "features of random weights tell colours and brightness, not what is seen"
    others = len(statistics.rows) - len(pairs)
    if others < FEWEST:
        videos = quantities.count(others, "video")
        return f"with {videos} in the other splits, fewer than {FEWEST}, unrelated ones can be as similar as copies"
    near = sum(pair.similarity >= NEAR_COPY for pair in pairs)
    if near > MOST * len(pairs):
        return (
            f"{near:,} of {quantities.count(len(pairs), 'video')} are as similar as copies to one of another split, as "
            "recordings of one camera are"
        )
    return ""
