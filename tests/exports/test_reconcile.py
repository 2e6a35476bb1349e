"""The counts of each test video beside each other, and what does not fit."""

import csv
from pathlib import Path

import msgspec
import numpy as np

from i3d.config import complete
from i3d.exports.making import make
from tests.support.finished_trees import write_tree

LISTED = (
    ("train/anomaly/a.mp4", 3, 1, 50, 30),
    ("train/normal/b.mp4", 3, 0, 50, 30),
    ("test/anomaly/fits.mp4", 3, 1, 50, 30),
    ("test/anomaly/beyond.mp4", 4, 1, 70, 30),
    ("test/anomaly/longer.mp4", 4, 1, 70, 30),
    ("test/anomaly/tail.mp4", 4, 1, 70, 30),
    ("test/anomaly/bare.mp4", 4, 1, 70, 30),
    ("test/anomaly/gap", 4, 1, 70, 30),
    ("test/anomaly/short.mp4", None, 1, 9, 30),
    ("test/normal/n.mp4", 3, 0, 50, 30),
    ("test/normal/gone.mp4", 3, 0, 50, 30),
)
TAD = """fits.mp4 51 1 0 15
beyond.mp4 70 1 60 80
longer.mp4 187 1 0 9
tail.mp4 70 1 66 69
n.mp4 66 0 0 66
nowhere.mp4 66 1 0 6
gap 71 1 0 9
"""


def _damage(table, video, words):
    """Note in a table that a video is damaged."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "damaged"])
        writer.writeheader()
        writer.writerows(row | {"damaged": words if row["video"] == video else ""} for row in rows)


def test_what_does_not_fit_is_said_of_each_video(tmp_path):
    features = write_tree(tmp_path, LISTED, dim=8)
    (tmp_path / "tad.txt").write_text(TAD)
    _damage(features / "metadata.csv", "test/anomaly/gap", "1 of the numbers 0 to 70 is missing")
    for video, *_ in LISTED:
        if "gone" not in video:
            (tmp_path / "videos" / video).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "videos" / video).touch()
    settings = complete(
        {
            "videos": str(tmp_path / "videos"),
            "lists": {"folder": str(tmp_path / "lists")},
            "crops": {"folder": str(tmp_path / "crops")},
            "ground_truth": {"annotations": str(tmp_path / "tad.txt")},
        }
    )
    outcome = make("ground_truth", features / "metadata.csv", settings)
    assert outcome.errors == []
    with (tmp_path / "lists/reconcile.csv").open(newline="") as file:
        rows = {Path(row["video"]).stem: row for row in csv.DictReader(file)}
    assert {name: row["problem"] for name, row in rows.items()} == {
        "fits": "",
        "beyond": "annotated up to frame 80, but its last one is 69",
        "longer": "70 frames, officially 187",
        "tail": "no annotated frame lies in its snippets",
        "bare": "an anomaly that is not annotated",
        "gap": "its events may lie in other frames: 1 of the numbers 0 to 70 is missing",
        "short": "no features: skipped; an anomaly that is not annotated",
        "n": "",
        "gone": "its video is gone",
        "nowhere": "annotated, but there is no such video",
    }
    assert dict(rows["beyond"]) == {
        "video": "test/anomaly/beyond.mp4",
        "split": "test",
        "label": "1",
        "events": "1",
        "annotated_last": "80",
        "frames_official": "70",
        "frames_declared": "",
        "frames_decoded": "70",
        "snippets": "4",
        "truth_frames": "64",
        "truth_ones": "4",
        "problem": "annotated up to frame 80, but its last one is 69",
    }
    truth = np.load(tmp_path / "lists/test_gt.npy")
    listed = [row for row in rows.values() if row["truth_frames"]]
    assert sum(int(row["truth_frames"]) for row in listed) == len(truth)
    assert sum(int(row["truth_ones"]) for row in listed) == truth.sum() == 16 + 4 + 10 + 10
    text, _ = outcome.texts
    assert text.startswith(f"reconciled 8 videos, 40 of {len(truth)} frames marked") and "8 lines to look at" in text
    assert text.rstrip().endswith(f"annotations: {settings.ground_truth.annotations}")
    assert "test/anomaly/beyond.mp4         80       70         4     64  annotated up to frame 80" in text
    assert make("ground_truth", features / "metadata.csv", settings).texts == []

    chosen = msgspec.structs.replace(settings.lists, min_snippets={"test": 4}, categories=["anomaly"])
    make("ground_truth", features / "metadata.csv", msgspec.structs.replace(settings, lists=chosen))
    with (tmp_path / "lists/reconcile.csv").open(newline="") as file:
        problems = {Path(row["video"]).stem: row["problem"] for row in csv.DictReader(file)}
    assert problems["fits"] == "not in the list: too few snippets", "it is annotated all the same"
    assert problems["n"] == "not in the list: of another category"
