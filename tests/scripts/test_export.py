"""The script that writes the exports: what it says, one sentence for an error, and the earlier files untouched."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.support.finished_trees import annotate, write_tree
from tests.support.paths import SCRIPTS


@pytest.fixture
def features(tmp_path):
    return write_tree(tmp_path)


@pytest.fixture
def export(tmp_path):
    def run(target, features, **settings):
        places = {"lists": {"folder": str(tmp_path / "lists")}, "crops": {"folder": str(tmp_path / "crops")}}
        given = places | {key: places.get(key, {}) | value for key, value in settings.items()}
        arguments = [target, "--metadata", features / "metadata.csv", "--settings", json.dumps(given)]
        return subprocess.run([sys.executable, SCRIPTS / "export.py", *arguments], capture_output=True, text=True)

    return run


def test_lists_tell_their_counts_and_what_is_left_out(export, features, tmp_path):
    lists = tmp_path / "lists"
    done = export("lists", features)
    assert done.returncode == 0 and "test/anomaly/armed_002.MP4 (2)" in done.stderr and "RTFM" in done.stderr
    assert "train_val" not in done.stderr, "training sets may hold short videos"
    assert json.loads((lists / "test.json").read_text()) == {"anomaly": 2, "normal": 1, "total": 3, "left_out": []}
    commands = (lists / "trainers.txt").read_text().splitlines()
    assert f"{commands[0]}\nthe other {len(commands) - 1} lines: {lists}/trainers.txt\nlists: 5 files" in done.stdout
    done = export("lists", features, lists={"min_snippets": {"test": 3}, "root": "/other"})
    assert "left out, fewer than 3 snippets: test/anomaly/armed_002.MP4 (2)" in done.stderr
    assert (lists / "test.list").read_text() == "/other/test/anomaly/theft.1.npy\n"
    assert json.loads((lists / "test.json").read_text())["left_out"] == [
        "test/anomaly/armed_002.MP4",
        "test/non_anomaly/Normal_002.mp4",
    ]


def test_a_typo_in_the_annotations_leaves_the_good_ground_truth(export, features, tmp_path):
    out, events = tmp_path / "lists/test_gt.npy", annotate(tmp_path, "theft.1,5,9,theft")
    settings = {"ground_truth": {"annotations": str(events)}}
    assert export("ground_truth", features, **settings).returncode == 0
    before = out.read_bytes()
    annotate(tmp_path, "theft.1,9,5,theft")
    done = export("ground_truth", features, **settings)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {events}, line 2: the event of theft.1 ends")
    assert out.read_bytes() == before and np.load(out).sum() == 5


def test_a_refused_list_leaves_the_earlier_one(export, features, tmp_path):
    out = tmp_path / "my crops/test.list"
    out.parent.mkdir()
    out.write_text("earlier\n")
    done = export("ur_dmu", features, crops={"folder": str(out.parent)})
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: ") and "at spaces" in done.stderr
    assert out.read_text() == "earlier\n"


def test_errors_are_one_sentence(export, features, tmp_path):
    done = export("ground_truth", features)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: ground_truth: set `annotations`")
    done = export("lists", features, lists={"categories": ["nowhere"]})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "in these `lists: categories`" in done.stderr
    done = export("lists", tmp_path / "none")
    assert done.returncode == 1 and "no such table" in done.stderr and "Traceback" not in done.stderr


def test_a_tree_without_a_split_to_test_with_gets_its_lists_all_the_same(tmp_path, export):
    features = write_tree(tmp_path, [("train/anomaly/a.mp4", 1, 1, 20, 30), ("train/normal/b.mp4", 1, 0, 20, 30)])
    done = export("lists", features)
    assert done.returncode == 0 and "features are needed in `test_split` (test)" in done.stderr
    assert len((tmp_path / "lists/train.list").read_text().splitlines()) == 2
