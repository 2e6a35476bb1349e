"""What the report's figures say."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np

from i3d.report import figures, statistics
from i3d.report.near_copies import NearCopies
from tests.support.figures import texts
from tests.support.rows import row

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def finished(count=12, **more):
    return [
        row(f"train_val/anomaly/{n}.mp4", frames=100 + n, fps=25.0, snippets=6, seconds=2.0, **more)
        for n in range(count)
    ]


def test_counts_figure_names_every_subset_with_its_numbers():
    rows = [*finished(3), row("test/anomaly/a.mp4", "skipped"), row("test/anomaly/b.mp4", "failed")]
    figure = figures.counts(rows)
    assert texts(figure)[0] == "3 of 5 videos have features"
    assert {"test/anomaly", "train_val/anomaly", "1 skipped · 1 failed", "3 ok"} <= set(texts(figure))
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == [0, 3, 1, 0, 1, 0]  # ok, skipped, failed; test/anomaly before train_val/anomaly
    assert texts(figures.counts(finished(3)))[0] == "All 3 videos have features"


def test_lengths_figure_counts_each_video_once_by_label():
    rows = [
        *finished(10),
        row("t/normal/n.mp4", label=0, frames=5000, fps=25.0, snippets=312),
        row("t/a/x.mp4", "failed"),
    ]
    figure = figures.lengths(rows)
    assert texts(figure)[0] == "4 min of video in 11 videos; half are shorter than 4 s"
    for axes in figure.axes:
        assert sum(patch.get_height() for patch in axes.patches) == 11
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["anomaly", "normal"]


def test_a_figure_shows_the_largest_of_very_many_subsets():
    rows = [row(f"t/{n:03d}/{k}.mp4") for n in range(60) for k in range(1 + (n >= 20))]
    figure = figures.counts(rows)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"t/{n:03d}" for n in range(20, 60)]
    assert texts(figure)[1].endswith("the 40 largest, 20 smaller ones left out")
    measured = statistics.Statistics(rows, np.zeros((100, 2), np.float32), np.ones(100))
    figure = figures.magnitude(measured, [])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert figure.get_size_inches()[1] < 30


def test_snippets_are_counted_in_whole_numbers():
    rows = [row(f"t/a/{n}.mp4", frames=40, fps=25.0, snippets=1 + n % 3) for n in range(30)]
    axes = figures.lengths(rows).axes[1]
    axes.figure.canvas.draw()
    ticks = [float(text.get_text()) for text in axes.get_xticklabels()]
    assert ticks and all(tick == round(tick) for tick in ticks)
    bars = {patch.get_x() + patch.get_width() / 2: patch.get_height() for patch in axes.patches if patch.get_height()}
    assert bars == {1: 10, 2: 10, 3: 10}


def test_speed_figure_has_a_dot_per_bundle_and_no_rate_of_one_video():
    def bundle(name, start, seconds, frames):
        times = {"started": NOON + timedelta(seconds=start), "finished": NOON + timedelta(seconds=start + seconds)}
        return [
            row(f"t/{name}{n}.mp4", frames=frames // 2, fps=25.0, bundle=name, device="GPU", **times) for n in (1, 2)
        ]

    figure = figures.speed([*bundle("a", 0, 10, 1000), *bundle("b", 5, 15, 1000), row("t/x.mp4", "failed")])
    assert texts(figure)[0] == "80 s of video in 20 s: 100 frames/s"
    (axes,) = figure.axes
    assert sorted(axes.collections[0].get_offsets().tolist()) == [[1000, 1000 / 15], [1000, 100]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["GPU", "all together"]
    assert texts(figures.speed([row("a/b.mp4")]))[0] == "The table does not say when videos were extracted"


def test_magnitude_figure_names_outliers():
    rows = [*finished(9), row("train_val/anomaly/black.mp4")]
    measured = statistics.Statistics(
        rows, np.zeros((10, 4), np.float32), np.array([20.0 + n / 10 for n in range(9)] + [2])
    )
    figure = figures.magnitude(measured, statistics.outliers(measured))
    assert texts(figure)[0] == "1 video stands out by feature magnitude"
    assert any(re.fullmatch(r"black\.mp4 \(z -\d+\.\d\)", text) for text in texts(figure))
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 10
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["anomaly", "stands out"]
    assert texts(figures.magnitude(measured, []))[0] == "No video stands out by magnitude"


def test_similarity_figure_marks_near_copies_unless_withheld():
    pairs = [
        statistics.Neighbour(row("test/a.mp4"), row("train/b.mp4"), value) for value in (1.0000001, 0.95, 0.3, -0.2)
    ]
    figure = figures.similarity(pairs, NearCopies(0.9, 2, "two near copies", ""))
    assert texts(figure)[0] == "two near copies" and "near copy from 0.9" in texts(figure)
    by_colour = {}
    for patch in figure.axes[0].patches:
        by_colour[patch.get_facecolor()] = by_colour.get(patch.get_facecolor(), 0) + patch.get_height()
    assert sorted(by_colour.values()) == [2, 2]
    figure = figures.similarity(pairs, NearCopies(None, 0, "cannot be told", ""))
    assert not any(text.startswith("near copy") for text in texts(figure))
    assert len({patch.get_facecolor() for patch in figure.axes[0].patches if patch.get_height()}) == 1
    assert texts(figures.similarity([], NearCopies(None, 0, "Nothing to compare", "")))[0] == "Nothing to compare"


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        figures.save(figures.counts(finished(3)), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_name_with_dollars_is_no_mathematics(tmp_path):
    figure = figures.blank("won_$50_and_$60.mp4 $\\frac$", "")
    assert figure.texts[0].get_text().startswith("won_$50") and not figure.texts[0].get_parse_math()
    figures.save(figure, tmp_path / "a.svg")  # mathematics would raise


def test_characters_that_no_font_has_are_named_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(figures, "_warned_of", set())
    for name in ("a.svg", "b.svg"):
        figures.save(figures.blank("\U000e0fff\U000e0ffe", "\U000e0fff"), tmp_path / name)  # unassigned for ever
    (message,) = caplog.messages
    assert "no installed font has \U000e0ffe \U000e0fff, which" in message
