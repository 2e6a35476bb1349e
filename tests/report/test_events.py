"""Magnitude along time and in classes: what is measured, what the figures say, the script that draws them."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from i3d.exports.annotations import Event
from i3d.exports.ground_truth import VideoTruth
from i3d.report import events
from tests.support.finished_trees import annotate, write_tree
from tests.support.paths import SCRIPTS
from tests.support.rows import row


def made(tmp_path, video, magnitudes, segments=(), **more):
    """A track of features with these magnitudes, 4 frames a snippet."""
    own = row(video, snippets=len(magnitudes), **more)
    path = tmp_path / own.feature_file
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((len(magnitudes), 2, 8), np.float32)
    array[:, 0, 3] = np.array(magnitudes) + 1  # two crops whose mean norm is the magnitude
    array[:, 1, 5] = np.array(magnitudes) - 1
    np.save(path, array)
    return events.track(VideoTruth(own, 4 * len(magnitudes), list(segments)), tmp_path, 4)


def test_a_snippet_is_of_the_event_that_holds_half_of_it(tmp_path):
    one = made(tmp_path, "t/a/x.mp4", [3, 4, 5, 6, 7], [Event(6, 9, "fight"), Event(13, 15)])
    assert one.magnitudes.tolist() == [3, 4, 5, 6, 7]
    assert one.classes.tolist() == [events.OUTSIDE, "fight", "fight", "event", events.OUTSIDE]
    calm = made(tmp_path, "t/n/x.mp4", [1, 2], label=0)
    assert calm.classes.tolist() == [events.NORMAL] * 2


def test_auc_is_the_chance_to_be_larger():
    assert events.auc(np.array([3.0, 4]), np.array([1.0, 2])) == 1
    assert events.auc(np.array([1.0]), np.array([1.0])) == 0.5
    higher = np.random.default_rng(0).normal(0.5, 1, 70).round(1)
    lower = np.random.default_rng(1).normal(0, 1, 90).round(1)
    pairs = np.sign(higher[:, None] - lower)
    assert events.auc(higher, lower) == pytest.approx((pairs + 1).mean() / 2, abs=1e-12)


def test_classes_are_pooled_over_videos(tmp_path):
    tracks = [
        made(tmp_path, "t/a/x.mp4", [9, 1, 1], [Event(0, 3, "fight")]),
        made(tmp_path, "t/a/y.mp4", [2, 8], [Event(4, 7, "theft")]),
        made(tmp_path, "t/n/z.mp4", [1, 3, np.nan], label=0),
    ]
    found = {each.name: each for each in events.summaries(tracks)}
    assert list(found) == [events.NORMAL, events.OUTSIDE, "fight", "theft", "all events"]
    assert [each.snippets for each in found.values()] == [2, 3, 1, 1, 2]
    assert found[events.NORMAL].quantiles[2] == 2 and found[events.NORMAL].auc is None
    assert found["all events"].auc == 1 == found["fight"].auc
    assert events.summary_table(list(found.values()))[2][0:2] == ("fight", "1")
    assert events.snippet_table(tracks)[4] == ("t/a/y.mp4", "1", "4", "8.000000", "theft")
    figure = events.separation(list(found.values()))
    assert figure.texts[0].get_text() == "Magnitude rises in events: AUC 1.00 of event snippets against all others"
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(found)
    assert "1 snippet · AUC 1.00" in [text.get_text() for text in axes.texts]


def test_without_events_the_figure_says_so(tmp_path):
    found = events.summaries([made(tmp_path, "t/n/z.mp4", [1, 3], label=0)])
    assert events.separation(found).texts[0].get_text() == "No snippet lies in an annotated event"
    assert events.separation([]).texts[0].get_text() == "No snippet lies in an annotated event"
    assert events.pages([]) == {} and events.summaries([]) == []


def test_pages_show_every_video_with_its_events_shaded(tmp_path):
    tracks = [made(tmp_path, f"t/a/{n:02d}.mp4", [1, 5, 2], [Event(4, 7, "fight")], fps=2.0) for n in range(17)]
    tracks.append(made(tmp_path, "t/a/bare.mp4", [1, 2, 3], fps=2.0))
    pages = events.pages(tracks)
    assert list(pages) == ["01", "02"]
    assert pages["01"].texts[1].get_text().startswith("page 1 of 2; dashed")
    titles = [axes.get_title(loc="left") for page in pages.values() for axes in page.axes if axes.get_title(loc="left")]
    assert len(titles) == 18 and titles[0] == "00.mp4  (fight)"
    assert titles[17] == "bare.mp4  (anomaly, no event in its snippets)"
    first = pages["01"].axes[0]
    (shaded,) = first.patches
    assert shaded.get_bbox().intervalx.tolist() == [2, 4], "frames 4 to 7 at 2 frames a second"
    curve = first.lines[1]
    assert curve.get_xdata().tolist() == [1, 3, 5] and curve.get_ydata().tolist() == [1, 5, 2]
    assert first.lines[0].get_ydata() == [2, 2], "the median outside events"


def test_what_does_not_fit_the_pages_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "PAGES", 1)
    one = made(tmp_path, "t/a/x.mp4", [1, 2])
    (page,) = events.pages([one] * 20).values()
    assert "4 more videos are in magnitudes.csv" in page.texts[1].get_text()


def draw(features, out, **settings):
    out.mkdir(exist_ok=True)
    command = [sys.executable, SCRIPTS / "report.py", "events", "--metadata", features / "metadata.csv"]
    command += ["--output", out, "--settings", json.dumps(settings)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_script_draws_the_test_split_with_events_or_without(tmp_path):
    features, out = write_tree(tmp_path, dim=8), tmp_path / "out"
    annotations = {"annotations": str(annotate(tmp_path, "theft.1,16,31,theft"))}
    done = draw(features, out, ground_truth=annotations)
    assert (done.returncode, done.stderr) == (0, "")
    assert "theft" in (out / "events/01.svg").read_text() and (out / "separation.svg").exists()
    with (out / "magnitudes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows if row["video"].endswith("theft.1.mp4")] == [
        *(events.OUTSIDE, "theft", events.OUTSIDE, events.OUTSIDE)
    ]
    assert len(rows) == 8 and float(rows[0]["magnitude"]) == pytest.approx(504.5 * 8**0.5)
    (tmp_path / "seconds.csv").write_text("video_name,start_seconds,end_seconds\nNormal_002,1,2\ntheft.1,0,1\n")
    no_rate = write_tree(tmp_path / "other", [("test/anomaly/theft.1.mp4", 4, 1, 70, "")], dim=8)
    done = draw(no_rate, out, ground_truth={"annotations": str(tmp_path / "seconds.csv")})
    assert done.returncode == 0 and "its frame rate is unknown" in done.stderr
    assert "events are not shown" in (out / "separation.svg").read_text()
    annotate(tmp_path, "theft.1,9,5,theft")
    done = draw(features, out, ground_truth=annotations)
    assert done.returncode == 0 and "ends (frame 5) before it starts" in done.stderr
    assert "events are not shown" in (out / "separation.svg").read_text()
    assert draw(features, out).returncode == 0
    assert "no annotations are set" in (out / "events/01.svg").read_text()
    (videos := tmp_path / "videos").mkdir()
    (videos / "Temporal_Anomaly_Annotation.txt").write_text("theft.1.mp4  Larceny  16  31  -1  -1\n")
    done = draw(features, out, dataset="ucf_crime", videos=str(videos))
    assert (done.returncode, done.stderr) == (0, "") and "Larceny" in (out / "events/01.svg").read_text()
