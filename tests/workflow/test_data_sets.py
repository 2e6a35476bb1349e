"""Every data set as it was downloaded, by one command, from decoding to ground truth."""

import csv
import hashlib

import numpy as np
import pytest

from tests.support.data_sets import CLIP, DATA_SETS
from tests.support.paths import ROOT
from tests.support.workflow import Workflow, write_clip

pytestmark = pytest.mark.workflow
LENGTH = 8  # frames per snippet, and between two


@pytest.mark.parametrize("name", sorted(DATA_SETS))
def test_one_command_goes_from_the_download_to_the_ground_truth(tmp_path, name):
    """One of them with the settings that lie there as an example."""
    made = DATA_SETS[name]
    example = ("--configfile", str(ROOT / ".test/data_set.yaml"))
    project = Workflow(tmp_path, {}, **{} if name == "ucf_crime" else {"dataset": name})
    targets = ("lists", "ground_truth", *(example if name == "ucf_crime" else ()))
    made.write(project.video("."))
    output = project.run(*targets, cores=2)
    rows = project.metadata()
    for video, expected in made.videos.items():
        row = rows[video]
        assert (row["status"], row["frames_decoded"]) == ("ok", str(CLIP))
        assert (row["decoder"] == "pillow") == (video in made.frame_folders)
        feature = project.feature(made.feature(video)).read_bytes()
        assert row["feature_sha256"] == hashlib.sha256(feature).hexdigest() and len(bytes.fromhex(row["digest"])) == 16
        assert (row["split"], row["category"], row["label"]) == tuple(map(str, expected or ("", "", ""))), video
        assert bool(row["reason"]) == (expected is None)
    lists = project.folder / "dataset/lists"
    splits = {said[0] for said in made.videos.values() if said}
    assert {path.stem for path in lists.glob("*.list")} == splits
    for split in splits:
        own = [(video, said[2]) for video, said in made.videos.items() if said and said[0] == split]
        own.sort(key=lambda pair: (-pair[1], pair[0]))
        features = [str(project.feature(made.feature(video))) for video, _ in own]
        assert (lists / f"{split}.list").read_text().splitlines() == features
    expected_truth = []
    for video in (video for video in made.videos if made.videos[video] and made.videos[video][0] == "test"):
        frames = [0.0] * (CLIP // LENGTH * LENGTH)
        for first, last in made.events.get(video, []):
            frames[first : last + 1] = [1.0] * (last + 1 - first)
        expected_truth.append((-made.videos[video][2], video, frames))
    truth = [value for *_, frames in sorted(expected_truth) for value in frames]
    assert np.load(lists / "test_gt.npy").tolist() == truth and sum(truth)
    with (lists / "reconcile.csv").open(newline="") as file:
        problems = {row["video"]: row["problem"] for row in csv.DictReader(file) if row["problem"]}
    assert problems == (
        {"frames/abnormal/03_IllegalOccupation_004.mp4": "annotated up to frame 25, but its last one is 23"}
        if name == "tad"
        else {}
    )
    assert "\nother  " not in output, "its own files are known"
    assert "annotations: " in output and "writes lists for trainers" not in output
    uncovered = sum(said is None for said in made.videos.values())
    assert ("1 video not covered: extracted, but in no list" in output) == bool(uncovered)
    if name == "ucf_crime":
        again = project.run(*targets, "-q", "all", cores=2)
        assert again.count("nothing to be done, its") == 2 and "to extract" not in again.replace("0 to extract", "")


def test_a_table_of_folders_is_written_anew_when_a_data_set_is_named(tmp_path):
    made = DATA_SETS["ucf_crime"]
    project = Workflow(tmp_path, {})
    for video in list(made.videos)[:3]:
        write_clip(project.video(video), CLIP)
    made.files(project.folder / "videos")
    project.run()
    assert {row["split"] for row in project.metadata().values()} == {"Anomaly-Videos-Part-1"}
    features = {path: path.stat().st_mtime_ns for path in project.feature("").rglob("*.npy")}
    project.run(dataset="ucf_crime")
    assert {row["split"] for row in project.metadata().values()} == {"train", "test"}
    assert {path: path.stat().st_mtime_ns for path in project.feature("").rglob("*.npy")} == features
    assert "Nothing to be done" in project.run("-n", dataset="ucf_crime")
