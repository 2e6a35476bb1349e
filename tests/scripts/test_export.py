"""The script that writes the exports: one sentence for an error, and the earlier files untouched."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.support.finished_trees import annotate, write_tree
from tests.support.paths import SCRIPTS


def export(command, features, split, output, **settings):
    arguments = [command, "--metadata", features / "metadata.csv", "--split", split, "--output", output]
    arguments += ["--settings", json.dumps(settings)]
    return subprocess.run([sys.executable, SCRIPTS / "export.py", *arguments], capture_output=True, text=True)


@pytest.fixture
def features(tmp_path):
    return write_tree(tmp_path)


def test_a_list_tells_its_counts_and_what_is_left_out(features, tmp_path):
    out = tmp_path / "lists/test.list"
    done = export("list", features, "test", out)
    assert done.returncode == 0 and "test/anomaly/armed_002.MP4 (2)" in done.stderr and "RTFM" in done.stderr
    assert json.loads(out.with_suffix(".json").read_text()) == {"anomaly": 2, "normal": 1, "total": 3, "left_out": []}
    done = export("list", features, "test", out, lists={"min_snippets": {"test": 3}})
    assert "left out, fewer than 3 snippets: test/anomaly/armed_002.MP4 (2)" in done.stderr
    assert out.read_text() == f"{features}/test/anomaly/theft.1.npy\n"
    assert json.loads(out.with_suffix(".json").read_text())["left_out"] == [
        "test/anomaly/armed_002.MP4",
        "test/non_anomaly/Normal_002.mp4",
    ]
    done = export("list", features, "train_val", tmp_path / "lists/train_val.list", lists={"root": "/other"})
    assert (done.returncode, done.stderr) == (0, ""), "training sets may hold short videos"
    assert (tmp_path / "lists/train_val.list").read_text().startswith("/other/train_val/anomaly/armed_001.npy\n")


def test_a_typo_in_the_annotations_leaves_the_good_ground_truth(features, tmp_path):
    out, events = tmp_path / "lists/test_gt.npy", annotate(tmp_path, "theft.1,5,9,theft")
    settings = {"ground_truth": {"annotations": str(events)}}
    assert export("ground-truth", features, "test", out, **settings).returncode == 0
    before = out.read_bytes()
    annotate(tmp_path, "theft.1,9,5,theft")
    done = export("ground-truth", features, "test", out, **settings)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {events}, line 2: the event of theft.1 ends")
    assert out.read_bytes() == before and np.load(out).sum() == 5


def test_a_refused_list_leaves_the_earlier_one(features, tmp_path):
    out = tmp_path / "my crops/test.list"
    out.parent.mkdir()
    out.write_text("earlier\n")
    done = export("crop-list", features, "test", out)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "at spaces" in done.stderr
    assert out.read_text() == "earlier\n"


def test_errors_are_one_sentence(features, tmp_path):
    for command, split, words in (
        ("list", "nowhere", "nowhere: no video there has features"),
        ("ground-truth", "test", "ground_truth: set `annotations`"),
        ("vadclip-segments", "test", "ground_truth: set `annotations`"),
    ):
        done = export(command, features, split, tmp_path / "out")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1) and done.stderr.startswith(f"error: {words}")
    done = export("list", tmp_path / "none", "test", tmp_path / "out")
    assert done.returncode == 1 and "no such table" in done.stderr and "Traceback" not in done.stderr


def test_a_tree_without_a_split_to_test_with_gets_its_lists_all_the_same(features, tmp_path):
    done = export("trainer-lines", features, "elsewhere", tmp_path / "trainers.txt", test_split="elsewhere")
    assert done.returncode == 0 and "features are needed in `test_split` (elsewhere)" in done.stdout
