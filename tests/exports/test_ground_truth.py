"""One value per frame of the snippets, in the order of a list."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports.annotation_formats import read
from i3d.exports.annotations import match_annotations
from i3d.exports.copies import CopyNames
from i3d.exports.ground_truth import ground_truth
from i3d.exports.selection import Choice, select
from tests.support.finished_trees import annotate, table, write_tree

COPIES = CopyNames(["cropped"])


@pytest.fixture
def features(tmp_path):
    return write_tree(tmp_path)


def truth_of(features, annotations, split="test", **more):
    rows = table(features)
    chosen = select(rows, split, Choice()).rows
    found = match_annotations(read(annotations).events, rows, chosen, COPIES)
    return ground_truth(chosen, found, features, 16, **more)


def test_sixteen_values_per_snippet(features, tmp_path):
    lines = ("theft.1.mp4, 5, 9, theft", "armed_002.MP4,0,3,armed", "theft.1.mp4,20,20,theft")
    truth = truth_of(features, annotate(tmp_path, *lines))
    values = truth.values()
    assert values.shape == (16 * (2 + 4 + 2),) and values.dtype == np.float64
    armed, theft, normal = np.split(values, [32, 96])
    assert np.flatnonzero(armed).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(theft).tolist() == [5, 6, 7, 8, 9, 20]
    assert not normal.any() and truth.warnings == []


def test_events_are_clipped_and_that_is_told(features, tmp_path):
    truth = truth_of(features, annotate(tmp_path, "theft.1.mp4,60,90,x", "armed_002.MP4,-3,1,x"))
    assert np.flatnonzero(truth.values()).tolist() == [0, 1, *range(32 + 60, 32 + 64)]
    assert truth.warnings == [
        "test/anomaly/armed_002.MP4: event -3-1 clipped to the video's 32 frames",
        "test/anomaly/theft.1.mp4: event 60-90 clipped to the video's 70 frames",
    ]
    # Frames 64 to 69 belong to no snippet: within the video, so no clipping, but nothing is marked either.
    truth = truth_of(features, annotate(tmp_path, "theft.1.mp4,66,69,x", "armed_002.MP4,0,1,x"))
    assert truth.values().sum() == 2
    assert truth.warnings == [
        "test/anomaly/theft.1.mp4: an anomaly, but no annotated frame lies in its snippets: marked all zeros"
    ]


def test_normal_videos_are_zero_and_anomalies_without_a_row_as_asked_for(features, tmp_path):
    annotations = annotate(tmp_path, "Normal_002.mp4,0,9,x", "theft.1.mp4,-1,-1,x")
    truth = truth_of(features, annotations)
    assert truth.values().shape == (128,) and not truth.values().any()
    assert truth.warnings == [
        "1 anomaly is not annotated and marked all zeros: test/anomaly/armed_002.MP4",
        "test/non_anomaly/Normal_002.mp4: it is normal, so its annotated events are left out",
        "no frame at all is marked, so no AUC can be computed against this ground truth",
    ]
    truth = truth_of(features, annotations, unannotated="ones")
    assert np.flatnonzero(truth.values()).tolist() == list(range(32))
    assert truth.warnings[0] == "1 anomaly is not annotated and marked all ones: test/anomaly/armed_002.MP4"


def test_names_outside_the_tree_are_counted_and_refused_when_strict(features, tmp_path):
    known = ("theft.1,0,1,x", "armed_002,0,1,x")
    lost = annotate(tmp_path, *(f"lost_{number}.mp4,0,1,x" for number in range(7)), *known)
    truth = truth_of(features, lost)
    assert truth.values().sum() == 4
    (warning,) = truth.warnings
    assert warning.startswith("7 annotated names without a video") and warning.endswith("lost_4.mp4 and 2 more")
    with pytest.raises(UserError) as caught:
        truth_of(features, lost, strict=True)
    assert all(f"lost_{number}.mp4" in str(caught.value) for number in range(7)) and "theft" not in str(caught.value)
    with pytest.raises(UserError, match=r"armed_002.MP4: an anomaly without a row"):
        truth_of(features, annotate(tmp_path, known[0]), strict=True)
    assert truth_of(features, annotate(tmp_path, *known), strict=True).warnings == []


def test_inheritance_is_told(tmp_path):
    features = write_tree(tmp_path, [("t/anomaly/x.mp4", 2, 1, 40, 30), ("t/anomaly/x_cropped.mp4", 2, 1, 40, 30)])
    truth = truth_of(features, annotate(tmp_path, "x,3,5,a"), "t")
    assert np.flatnonzero(truth.values()).tolist() == [3, 4, 5, 35, 36, 37]
    assert truth.warnings == ["1 copy inherits the events of its source: t/anomaly/x_cropped.mp4 from t/anomaly/x.mp4"]


def test_resampled_videos_are_mapped(tmp_path):
    features = write_tree(tmp_path, [("test/anomaly/a.mp4", 2, 1, 40, 30)], resample_fps=15)
    truth = truth_of(features, annotate(tmp_path, "a.mp4,30,49,x"))
    assert np.flatnonzero(truth.values()).tolist() == list(range(15, 25)) and truth.warnings == []
    features = write_tree(tmp_path, [("test/anomaly/a.mp4", 2, 1, 40, "")], resample_fps=15)
    with pytest.raises(UserError, match="frame rate is unknown"):
        truth_of(features, annotate(tmp_path, "a.mp4,30,49,x"))


def test_pictures_have_no_times_and_are_never_resampled(tmp_path):
    """With `fps` set, the table says so of them, too."""
    features = write_tree(tmp_path, [("test/anomaly/a.mp4", 2, 1, 40, "")], resample_fps=15, decoder="pillow")
    truth = truth_of(features, annotate(tmp_path, "a.mp4,4,6,x"))
    assert np.flatnonzero(truth.values()).tolist() == [4, 5, 6]
    (tmp_path / "s.csv").write_text("video_name,start_seconds,end_seconds\na.mp4,0,1\n")
    with pytest.raises(UserError, match="its frame rate is unknown"):
        truth_of(features, tmp_path / "s.csv")


def test_a_vanished_feature_is_named(features, tmp_path):
    (features / "test/anomaly/theft.1.npy").unlink()
    with pytest.raises(UserError, match=r"theft.1.npy: gone"):
        truth_of(features, annotate(tmp_path))


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (lambda path: np.save(path, np.array([{}, None]), allow_pickle=True), "not a feature .*Python objects"),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "not a feature .*pickle"),
        (lambda path: path.touch(), "not a feature .an empty file"),
        (
            lambda path: np.save(path, np.zeros((3, 2048), np.float32)),
            r"not a feature .an array of the shape \(3, 2048\)",
        ),
        (lambda path: np.savez(path.open("wb"), np.zeros(3)), "not a feature .an archive of arrays"),
        (Path.mkdir, "not a feature .not a regular file"),
        (os.mkfifo, "not a feature .not a regular file"),
    ],
)
def test_what_lies_in_the_place_of_a_feature_is_said(features, tmp_path, put, words):
    place = features / "test/anomaly/theft.1.npy"
    place.unlink()
    put(place)
    with pytest.raises(UserError, match=f"theft.1.npy: {words}") as caught:
        truth_of(features, annotate(tmp_path))
    assert "\n" not in str(caught.value)
