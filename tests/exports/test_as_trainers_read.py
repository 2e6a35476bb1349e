"""The exports of one tree, read the way each trainer's loader and test do (facts about their code, not their code).

The tree has short videos, copies in folders and by name, annotations with and without suffix, a normal video that is
annotated, an anomaly that is not, and names with spaces and with `Normal` in them.
"""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from i3d.config import complete
from i3d.exports.all_exports import TARGETS
from i3d.exports.making import make
from tests.support.finished_trees import annotate, write_tree

VIDEOS = (
    ("train_val/anomaly/armed_001.mp4", 5, 1, 90, 30),
    ("train_val/anomaly_cropped/armed_001.mp4", 5, 1, 90, 30),
    ("train_val/anomaly_augmented/armed_001_flip_h.mp4", 5, 1, 90, 30),
    ("train_val/anomaly/armed_002.mp4", 2, 1, 40, 30),
    ("train_val/anomaly/theft 3.mp4", 4, 1, 64, 30),
    ("train_val/anomaly/theft_004.mp4", 40, 1, 650, 30),
    ("train_val/non_anomaly/street_001.mp4", 3, 0, 50, 30),
    ("train_val/non_anomaly_cropped/street_001.mp4", 3, 0, 50, 30),
    ("train_val/non_anomaly/Normal_002.mp4", 2, 0, 40, 30),
    ("train_val/non_anomaly/yard.mp4", 3, 0, 50, 30),
    ("test/anomaly/armed_010.mp4", 4, 1, 70, 30),
    ("test/anomaly_cropped/armed_010.mp4", 4, 1, 70, 30),
    ("test/anomaly/LooksNormal.mp4", 3, 1, 50, 30),
    ("test/anomaly/brief.mp4", 1, 1, 17, 30),
    ("test/anomaly/two.mp4", 2, 1, 33, 30),
    ("test/anomaly/tiny.mp4", None, 1, 16, 30),
    ("test/non_anomaly/hall.mp4", 3, 0, 50, 30),
    ("test/non_anomaly/brief_hall.mp4", 1, 0, 18, 30),
)
EVENTS = (
    *("armed_010.mp4,16,31,armed", "LooksNormal,0,9,theft", "hall,3,4,x", "elsewhere.mp4,0,5,x"),
    *("armed_001,20,29,armed", "train_val/anomaly/theft_004,0,15,theft", "theft_004,100,120,fight"),
)
SEGMENTS, TOP, REPEATED = 32, 3, 16


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder with all exports of the tree: lists/, crops/."""
    folder = tmp_path_factory.mktemp("made")
    features = write_tree(folder, VIDEOS)
    settings = complete(
        {
            "lists": {
                "folder": str(folder / "lists"),
                "min_snippets": {"test": 3, "val": 2},
                "validation": {"fraction": 0.3, "seed": 4},
            },
            "ground_truth": {"annotations": str(annotate(folder, *EVENTS)), "splits": ["train_val"]},
            "crops": {"folder": str(folder / "crops"), "order": "centre_first", "labels": "event"},
        }
    )

    for target in TARGETS:
        assert make(target, features / "metadata.csv", settings).errors == []
    return folder


def read_json(path):
    return json.loads(path.read_text())


def lines_of(path):
    with path.open() as file:
        return [line.strip("\n") for line in file]


def in_segments(array):
    """32 means of a video's snippets (T, dim), as RTFM, MGFN, Smart-Surveillance, TEVAD and DeepMIL train."""
    edges = np.linspace(0, len(array), SEGMENTS + 1, dtype=int)
    return np.stack([array[low:high].mean(0) if low < high else array[low] for low, high in pairwise(edges)])


def top_magnitudes(feature, k=TOP):
    """What RTFM, MGFN, TEVAD and S3R take of a whole test video (T, crops, dim)."""
    magnitudes = torch.from_numpy(np.linalg.norm(feature, axis=2).mean(axis=1))[None]
    return torch.topk(magnitudes, k, dim=1)[1]


def against_truth(snippets, truth):
    """Scores per frame beside the truth, as every trainer's test has them."""
    scores = np.repeat(np.concatenate([np.zeros(count) for count in snippets]), REPEATED)
    assert truth.dtype == np.float64 and len(scores) == len(truth)
    return np.split(truth, np.cumsum([count * REPEATED for count in snippets])[:-1])


def test_rtfm_and_mgfn(made):
    """Labels from the place in the list; 32 segments to train with; test videos whole, their 3 largest magnitudes."""
    lines = lines_of(made / "lists/train_val.list")
    anomalies = read_json(made / "lists/train_val.json")["anomaly"]
    for is_normal, part in ((False, lines[:anomalies]), (True, lines[anomalies:])):
        assert part and all(Path(line).parent.name.startswith("non_anomaly") == is_normal for line in part)
        for line in part:
            feature = np.array(np.load(line, allow_pickle=True), dtype=np.float32).transpose(1, 0, 2)
            assert np.stack([in_segments(crop) for crop in feature]).shape == (10, SEGMENTS, 2048)
    tests = [np.load(line) for line in lines_of(made / "lists/test.list")]
    assert [top_magnitudes(feature).shape for feature in tests] == [(1, TOP)] * 4
    per_video = against_truth([len(feature) for feature in tests], np.load(made / "lists/test_gt.npy"))
    assert [np.flatnonzero(truth).tolist() for truth in per_video] == [
        list(range(10)),  # LooksNormal, annotated without its suffix
        list(range(16, 32)),  # armed_010
        list(range(16, 32)),  # its cropped copy
        [],  # hall: normal, whatever the annotations say
    ]


def test_short_test_videos_would_have_stopped_them(made):
    with pytest.raises(RuntimeError, match="out of range"):
        top_magnitudes(np.load(made / "features/test/anomaly/two.npy"))
    left_out = read_json(made / "lists/test.json")["left_out"]
    assert left_out == ["test/anomaly/brief.mp4", "test/anomaly/two.mp4", "test/non_anomaly/brief_hall.mp4"]


def test_smart_surveillance(made):
    """Labels by words anywhere in the path, anomalies put first again; val and test whole and in order."""
    seen = {}
    for split in ("train_val", "val", "test"):
        lines = lines_of(made / f"lists/{split}.list")
        anomalies = [line for line in lines if "anomaly" in line and "non_anomaly" not in line]
        others = [line for line in lines if "non_anomaly" in line]
        assert anomalies + others == lines, "in its order the ground truth would fit no more"
        labels = [0.0 if "non_anomaly" in str(Path(line).parent) else 1.0 for line in lines]
        assert sum(labels) == read_json(made / f"lists/{split}.json")["anomaly"] > 0
        against_truth([len(np.load(line)) for line in lines], np.load(made / f"lists/{split}_gt.npy"))
        assert split == "train_val" or all(len(np.load(line)) >= 2 for line in lines)
        seen[split] = {Path(line).stem.removesuffix("_flip_h") for line in lines}
    assert not seen["train_val"] & seen["val"], "a copy of a training video in the validation split"
    assert len(lines_of(made / "lists/train_val.list")) + len(lines_of(made / "lists/val.list")) == 10


def test_ur_dmu(made):
    """First word of a line; halves by count of lines; `Normal` in the file name; ten lines a test video."""
    words = [line.split()[0] for line in lines_of(made / "crops/train_val.list")]
    first_normal = read_json(made / "crops/train_val.json")["lines"]["anomaly"]
    labels = [0 if "Normal" in word.split("/")[-1] else 1 for word in words]
    assert labels == [1] * first_normal + [0] * (len(words) - first_normal) and first_normal % 10 == 0
    assert all(np.load(word).astype(np.float32).shape[1:] == (2048,) for word in words)
    assert any("theft_3__0.npy" in word for word in lines_of(made / "crops/train_val.list") + vals(made))
    tests = [line.split()[0] for line in lines_of(made / "crops/test.list")]
    per_video = [[np.load(word) for word in tests[start : start + 10]] for start in range(0, len(tests), 10)]
    assert [len({len(crop) for crop in crops}) for crops in per_video] == [1] * 4
    assert [0 if "Normal" in tests[start] else 1 for start in range(0, 40, 10)] == [1, 1, 1, 0]
    against_truth([len(crops[0]) for crops in per_video], np.load(made / "lists/test_gt.npy"))


def vals(made):
    return lines_of(made / "crops/val.list")


def test_bn_wvad(made):
    """As UR-DMU; paths joined to its root; ten crops are one batch of equal lengths."""
    lines = [Path("/", line.split()[0]) for line in lines_of(made / "crops/test.list")]
    for start in range(0, len(lines), 10):
        batch = np.stack([np.load(path).astype(np.float32) for path in lines[start : start + 10]])
        assert batch.shape[0] == 10 and len({path.name.rpartition("__")[0] for path in lines[start : start + 10]}) == 1
    edges = np.linspace(0, len(np.load(lines[0])), 201, dtype=np.uint16)
    assert edges[-1] == len(np.load(lines[0]))


def test_pel4vad(made):
    """`Normal` anywhere in the line; the class of normal videos is what stands before the first `_`."""
    for split in ("train_val", "val", "test"):
        lines = lines_of(made / f"crops/{split}.list")
        normal = [line for line in lines if "Normal" in line]
        assert {line.split("/")[-1].split("_")[0] for line in normal} == {"Normal"}
        assert len(normal) == read_json(made / f"crops/{split}.json")["lines"]["normal"]


def test_deepmil(made):
    """A plain list of (T, dim) files, labels by place; one crop a test video, the centre (its `__0`)."""
    lines = lines_of(made / "crops/train_val.list")
    first_normal = read_json(made / "crops/train_val.json")["lines"]["anomaly"]
    assert all("/non_anomaly" in line for line in lines[first_normal:])
    assert not any("/non_anomaly" in line for line in lines[:first_normal])
    assert in_segments(np.array(np.load(lines[0]), dtype=np.float32)).shape == (SEGMENTS, 2048)
    tests = lines_of(made / "crops/test_one_crop.list")
    assert [line.rpartition("__")[2] for line in tests] == ["0.npy"] * 4
    assert [np.load(line)[0, 0] % 10 for line in tests] == [2] * 4  # our crop 2 is the centre
    against_truth([len(np.load(line)) for line in tests], np.load(made / "lists/test_gt.npy"))


def test_vadclip(made):
    """A table with path and label; `Normal` parts it; other labels are keys of label_map; segments per test line."""

    def rows_of(split):
        with (made / f"crops/{split}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    train = rows_of("train_val") + rows_of("val")
    assert {row["label"] for row in train} <= {"Normal", "armed", "theft", "anomaly"}
    by_name = {Path(row["path"]).name.partition("__")[0]: row["label"] for row in train}
    assert by_name["armed_001_flip_h"] == "armed" and by_name["theft_004"] == "theft"  # its first event
    assert by_name["armed_002"] == "anomaly" and by_name["Normal_yard"] == "Normal"
    tests = rows_of("test")
    assert [row["label"] for row in tests] == ["theft", "armed", "armed", "Normal"]
    segments = np.load(made / "crops/test_gt_segment.npy", allow_pickle=True)
    labels = np.load(made / "crops/test_gt_label.npy", allow_pickle=True)
    truth = against_truth([len(np.load(row["path"])) for row in tests], np.load(made / "lists/test_gt.npy"))
    assert len(segments) == len(labels) == len(tests)
    classes = ["Normal", "armed", "theft"]
    for own, names, row, values in zip(segments, labels, tests, truth, strict=True):
        counted = [  # frames of each event that counts for a class of the mAP
            frame
            for (first, end), name in zip(own, names, strict=True)
            if name in classes
            for frame in range(int(first), int(end))
        ]
        assert counted == np.flatnonzero(values).tolist()
        assert row["label"] == "Normal" or set(names) == {row["label"]}
    assert segments[3] == [[0, 48]] and labels[3] == ["A"]


def test_tevad(made):
    """As RTFM, and the captions' name is the file's less `i3d.npy`."""
    lines = lines_of(made / "lists/i3d/test.list")
    captions = [line.split("/")[-1][:-7] + "emb.npy" for line in lines]
    assert captions == [
        *("anomaly__LooksNormal_emb.npy", "anomaly__armed_010_emb.npy", "anomaly_cropped__armed_010_emb.npy"),
        "non_anomaly__hall_emb.npy",
    ]
    same = zip(lines, lines_of(made / "lists/test.list"), strict=True)
    assert all(np.array_equal(np.load(ours), np.load(other)) for ours, other in same)
    assert all(top_magnitudes(np.load(line)).shape == (1, TOP) for line in lines)


def test_s3r(made):
    """Ids in a CSV, features in one folder as <id>_i3d.npy, labels per frame in a JSON."""

    def ids_of(split):
        with (made / f"lists/i3d/{split}.csv").open(newline="") as file:
            return [row["video-id"] for row in csv.DictReader(file)]

    anomalies = read_json(made / "lists/train_val.json")["anomaly"]
    train = ids_of("train_val")
    assert [name.startswith("non_anomaly") for name in train] == [place >= anomalies for place in range(len(train))]
    known = read_json(made / "lists/i3d/test_ground_truth.json")
    truth = np.concatenate([known[name]["labels"] for name in ids_of("test")])
    assert np.array_equal(truth, np.load(made / "lists/test_gt.npy"))
    for name in ids_of("test"):
        feature = np.load(made / f"lists/i3d/test/{name}_i3d.npy", allow_pickle=True)
        assert known[name]["num_frames"] == len(feature) * REPEATED and top_magnitudes(feature).shape == (1, TOP)
