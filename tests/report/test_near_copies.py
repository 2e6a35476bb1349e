"""When the report points out near copies, and when it says why not."""

import numpy as np
import pytest

from i3d.report import near_copies
from i3d.report.near_copies import FEWEST, NEAR_COPY, compare
from i3d.report.statistics import Neighbour, Statistics
from tests.support.rows import row


def tree(similarities, others=FEWEST, **more):
    """Statistics of a tree and its pairs: a test video per similarity, and `others` for training."""
    test = [row(f"test/a/{n}.mp4", **more) for n in range(len(similarities))]
    train = [row(f"train/a/{n}.mp4", **more) for n in range(others)]
    rows = [*test, *train]
    pairs = [Neighbour(video, train[0], value) for video, value in zip(test, similarities, strict=True)]
    return Statistics(rows, np.zeros((len(rows), 2), np.float32), np.zeros(len(rows))), pairs


def test_near_copies_are_counted_from_the_line_on():
    statistics, pairs = tree([0.99, NEAR_COPY, 0.7, 0.2, 0.1])
    found = compare(statistics, pairs, "test")
    assert (found.threshold, found.near) == (NEAR_COPY, 2)
    assert found.title == "Near copies in another split: 2 of 5 test videos"
    assert [found.is_near(pair) for pair in pairs] == [True, True, False, False, False]
    assert compare(*tree([0.1, 0.2]), "val").title == "No val video has a near copy in another split"


@pytest.mark.parametrize(
    ("similarities", "more", "reason"),
    [
        ([0.99, 0.1, 0.1], {"weights": "random"}, "random weights"),
        ([0.99, 0.1, 0.1], {"others": FEWEST - 1}, f"fewer than {FEWEST}"),
        ([0.99, 0.95, 0.1], {}, "one camera"),
    ],
)
def test_it_is_withheld_with_the_reason(similarities, more, reason):
    statistics, pairs = tree(similarities, **more)
    found = compare(statistics, pairs, "test")
    assert found.threshold is None and found.near == 0 and reason in found.note
    assert not any(found.is_near(pair) for pair in pairs)
    assert compare(*tree([0.99, 0.1, 0.1]), "test").near == 1  # and not without that reason


def test_without_pairs_it_says_what_is_needed():
    assert "needed in test and in another split" in compare(*tree([]), "test").note


def test_the_line_is_the_one_that_was_measured():
    """The page with the measurements names the line and the smallest tree."""
    from tests.support.paths import ROOT

    page = (ROOT / "docs/near-copies.md").read_text()
    assert f"A line at {near_copies.NEAR_COPY} " in page and f"fewer than {near_copies.FEWEST} videos" in page
