"""Exports, read back the way the trainers' loaders do."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports import trainers as exports
from i3d.results.metadata import read_metadata
from tests.support.paths import SCRIPTS

SCRIPT = SCRIPTS / "export.py"
COLUMNS = (
    *("video", "feature_file", "status", "reason", "snippets", "crops", "split", "category", "label"),
    *("frames_decoded", "fps", "resample_fps", "seconds"),
)


def videos():
    """(video, snippets, label, frames, fps): two splits, a copy, a skipped video, names that need care."""
    return [
        ("train_val/non_anomaly/normal_001.mp4", 2, 0, 40, 30),
        ("train_val/anomaly/armed_001.mp4", 3, 1, 50, 30),
        ("train_val/anomaly_cropped/armed_001.mp4", 1, 1, 16, 30),
        ("test/non_anomaly/Normal_002.mp4", 2, 0, 33, 25),
        ("test/anomaly/theft.1.mp4", 4, 1, 70, 30),
        ("test/anomaly/armed_002.MP4", 2, 1, 32, 30),
        ("test/anomaly/short.mp4", None, 1, 9, 30),
    ]


def write_tree(folder, crops=10, resample_fps="", listed=None):
    """A features tree with metadata.csv; element [t, c, f] of the n-th video's feature is 100 n + 10 t + c."""
    features = folder / "features"
    rows = []
    for number, (video, snippets, label, frames, fps) in enumerate(listed or videos()):
        feature = Path(video).with_suffix(".npy").as_posix()
        if snippets:
            values = 100 * number + 10 * np.arange(snippets)[:, None] + np.arange(crops)
            array = np.repeat(values[..., None], 2048, axis=2).astype(np.float32)
            (features / feature).parent.mkdir(parents=True, exist_ok=True)
            np.save(features / feature, array)
        split, *_, category, _ = video.split("/")
        status = "ok" if snippets else "skipped"
        rows.append(
            (video, feature, status, "", snippets, crops, split, category, label, frames, fps, resample_fps, 1.5)
        )
    with (features / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return features


@pytest.fixture
def features(tmp_path):
    return write_tree(tmp_path)


def export(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def annotate(folder, *lines):
    path = folder / "annotations.csv"
    path.write_text("video_name,start_annotation,end_annotation,event_name\n" + "".join(f"{line}\n" for line in lines))
    return path


# Loaders, as the trainers read (facts about them, not their code).


def load_by_order(path, anomalies):
    """RTFM and MGFN: the first `anomalies` lines are anomalies; (snippets, crops, 2048) -> (crops, snippets, 2048)."""
    loaded = []
    with path.open() as file:
        for number, line in enumerate(file):
            array = np.array(np.load(line.strip("\n"), allow_pickle=True), dtype=np.float32)
            loaded.append((float(number < anomalies), array.transpose(1, 0, 2)))
    return loaded


def load_by_folder(path):
    """Smart-Surveillance: label 0 where the folder holds non_anomaly."""
    with path.open() as file:
        return [0.0 if "non_anomaly" in str(Path(line.strip("\n")).parent) else 1.0 for line in file]


def load_ur_dmu(path, anomalies):
    """UR-DMU: first word of the line; label from the file name, training halves from the order."""
    with path.open() as file:
        names = [line.split()[0] for line in file]
    labels = [0 if "Normal" in name.split("/")[-1] else 1 for name in names]
    assert labels == [1] * (10 * anomalies) + [0] * (len(names) - 10 * anomalies)
    return [np.load(name).astype(np.float32) for name in names]


def load_vadclip(path):
    """VadCLIP: a table with the columns path and label."""
    with path.open(newline="") as file:
        return [(np.load(row["path"]), row["label"]) for row in csv.DictReader(file)]


def test_lists_put_anomalies_first_and_load_as_trainers_do(features, tmp_path):
    out, counts = tmp_path / "train_val.list", tmp_path / "train_val.json"
    done = export(
        "list", "--metadata", features / "metadata.csv", "--split", "train_val", "--root", features, "--output", out,
        "--counts", counts,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_text().splitlines() == [
        f"{features}/train_val/anomaly/armed_001.npy",
        f"{features}/train_val/anomaly_cropped/armed_001.npy",
        f"{features}/train_val/non_anomaly/normal_001.npy",
    ]
    assert json.loads(counts.read_text()) == {"anomaly": 2, "normal": 1, "total": 3}
    loaded = load_by_order(out, json.loads(counts.read_text())["anomaly"])
    assert [label for label, _ in loaded] == load_by_folder(out) == [1, 1, 0]
    assert [array.shape for _, array in loaded] == [(10, 3, 2048), (10, 1, 2048), (10, 2, 2048)]
    assert loaded[0][1][7, 2, 5] == 127  # video 1, snippet 2, crop 7


def test_a_list_leaves_out_skipped_videos_and_unwanted_categories(features):
    rows = read_metadata(features / "metadata.csv")
    assert [row.video for row in exports.select(rows, "test")] == [
        "test/anomaly/armed_002.MP4",
        "test/anomaly/theft.1.mp4",
        "test/non_anomaly/Normal_002.mp4",
    ]
    plain = exports.select(rows, "train_val", ["anomaly", "non_anomaly"])
    assert [row.category for row in plain] == ["anomaly", "non_anomaly"]


def test_anomalies_come_first_whatever_the_folders_are_called(tmp_path):
    listed = [("t/Normal/n.mp4", 1, 0, 20, 30), ("t/anomaly/b.mp4", 1, 1, 20, 30), ("t/anomaly/a.mp4", 1, 1, 20, 30)]
    rows = read_metadata(write_tree(tmp_path, listed=listed) / "metadata.csv")
    assert [row.video for row in exports.select(rows, "t")] == ["t/anomaly/a.mp4", "t/anomaly/b.mp4", "t/Normal/n.mp4"]


def test_a_list_refuses_what_it_cannot_order_or_hold(tmp_path):
    listed = [("test/anomaly/a.mp4", 1, 1, 20, 30), ("test/street/b.mp4", 1, "", 20, 30)]
    rows = read_metadata(write_tree(tmp_path, listed=listed) / "metadata.csv")
    with pytest.raises(UserError, match="street.*categories"):
        exports.select(rows, "test")
    assert [row.video for row in exports.select(rows, "test", ["anomaly"])] == ["test/anomaly/a.mp4"]
    with pytest.raises(UserError, match="^train: no video"):
        exports.select(rows, "train")
    with pytest.raises(UserError, match="line break"):
        exports.list_lines(rows, Path("two\nlines"))


def truth_of(features, annotations, split="test"):
    rows = read_metadata(features / "metadata.csv")
    events = exports.match_annotations(exports.read_annotations(annotations), rows, split)
    return exports.ground_truth(exports.select(rows, split), events, features, 16)


def test_ground_truth_is_sixteen_values_per_snippet_in_the_lists_order(features, tmp_path):
    annotations = annotate(tmp_path, "theft.1.mp4, 5, 9, theft", "armed_002.MP4,0,3,armed", "theft.1.mp4,20,20,theft")
    out = tmp_path / "test_gt.npy"
    done = export(
        "ground-truth", "--metadata", features / "metadata.csv", "--split", "test", "--annotations", annotations,
        "--frequency", 16, "--output", out,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    truth = np.load(out)  # as RTFM's test does: one value per frame, beside the repeated scores
    scores = np.repeat(np.zeros(2 + 4 + 2), 16)
    assert truth.shape == scores.shape and truth.dtype == np.float64
    armed, theft, normal = np.split(truth, [32, 96])
    assert np.flatnonzero(armed).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(theft).tolist() == [5, 6, 7, 8, 9, 20]
    assert not normal.any()


def test_ground_truth_clips_and_says_so(features, tmp_path):
    truth, warnings = truth_of(features, annotate(tmp_path, "theft.1.mp4,60,90,x", "armed_002.MP4,-3,1,x"))
    assert np.flatnonzero(truth).tolist() == [0, 1, *range(32 + 60, 32 + 64)]
    assert warnings == [
        "test/anomaly/armed_002.MP4: event -3-1 clipped to the video's 32 frames",
        "test/anomaly/theft.1.mp4: event 60-90 clipped to the video's 70 frames",
    ]
    # Frames 64 to 69 belong to no snippet: within the video, so no clipping, but nothing is marked either.
    truth, warnings = truth_of(features, annotate(tmp_path, "theft.1.mp4,66,69,x", "armed_002.MP4,0,1,x"))
    assert truth.sum() == 2
    assert warnings == ["test/anomaly/theft.1.mp4: an anomaly, but no annotated frame lies in its snippets: all zeros"]


def test_ground_truth_of_normal_and_unannotated_videos_is_zero(features, tmp_path):
    truth, warnings = truth_of(features, annotate(tmp_path, "Normal_002.mp4,0,9,x", "theft.1.mp4,-1,-1,x"))
    assert truth.shape == (128,) and not truth.any()
    assert [warning.split(":")[0] for warning in warnings] == [
        "test/anomaly/armed_002.MP4",
        "test/anomaly/theft.1.mp4",
        "test/non_anomaly/Normal_002.mp4",
    ]


def test_unknown_names_are_all_listed(features, tmp_path):
    annotations = annotate(tmp_path, *(f"lost_{number}.mp4,0,1,x" for number in range(7)), "theft.1.mp4,0,1,x")
    with pytest.raises(UserError) as caught:
        truth_of(features, annotations)
    assert all(f"lost_{number}.mp4" in str(caught.value) for number in range(7))
    assert "theft" not in str(caught.value)


def test_names_of_other_splits_are_passed_over_and_ambiguous_ones_refused(features, tmp_path):
    annotations = annotate(tmp_path, "armed_001.mp4,0,1,x", "short.mp4,0,1,x")
    assert not truth_of(features, annotations)[0].any()
    with pytest.raises(UserError, match="fits train_val/anomaly/armed_001.mp4, train_val/anomaly_cropped/armed_001"):
        truth_of(features, annotations, "train_val")
    truth, _ = truth_of(features, annotate(tmp_path, "train_val/anomaly_cropped/armed_001.mp4,0,1,x"), "train_val")
    assert np.flatnonzero(truth).tolist() == [48, 49]


@pytest.mark.parametrize(
    ("line", "message"),
    [("a.mp4,9,5,x", "line 2.*before it starts"), ("a.mp4,1.5,5,x", "whole frame"), ("a.mp4,1", "whole frame")],
)
def test_bad_rows_of_annotations_are_named(tmp_path, line, message):
    with pytest.raises(UserError, match=message):
        exports.read_annotations(annotate(tmp_path, line))


def test_second_events_in_columns_are_refused(tmp_path):
    path = tmp_path / "annotations.csv"
    head = "video_name,start_annotation,end_annotation,event_name,second_event\n"
    path.write_text(head + "a.mp4,1,5,x,0\n")
    assert exports.read_annotations(path) == {"a.mp4": [(1, 5)]}
    path.write_text(head + "a.mp4,1,5,x,1\n")
    with pytest.raises(UserError, match="row of its own"):
        exports.read_annotations(path)


def test_annotations_may_have_spaces_after_commas_and_more_columns(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text('video_name, start_annotation, end_annotation, event_name, rate\n"a, b.mp4", 1, 5, x, 30\n')
    assert exports.read_annotations(path) == {"a, b.mp4": [(1, 5)]}


def test_missing_annotations_and_columns_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.csv: no such file"):
        exports.read_annotations(tmp_path / "nowhere.csv")
    (tmp_path / "x.csv").write_text("video_name,start\n")
    with pytest.raises(UserError, match="no column start_annotation, end_annotation in"):
        exports.read_annotations(tmp_path / "x.csv")


def fps_filter(frames, source, target):
    """Which source frame ffmpeg's fps filter shows in each output frame: the last one whose rounded time is due."""
    due = [int(np.floor(frame * target / source + 0.5)) for frame in range(frames)]
    return [max(frame for frame in range(frames) if due[frame] <= out) for out in range(due[-1] + 1)]


@pytest.mark.parametrize(("source", "target"), [(30, 30), (60, 30), (30, 25), (25, 30), (12.5, 30), (29.97, 10)])
def test_events_follow_their_frames_through_resampling(source, target):
    shown = fps_filter(90, source, target)
    first, last = exports.resampled((20, 61), source, target)
    assert [out for out, frame in enumerate(shown) if 20 <= frame <= 61] == list(range(first, last + 1))


def test_ground_truth_of_resampled_videos_is_mapped(tmp_path):
    features = write_tree(tmp_path, resample_fps=15, listed=[("test/anomaly/a.mp4", 2, 1, 40, 30)])
    truth, warnings = truth_of(features, annotate(tmp_path, "a.mp4,30,49,x"))
    assert np.flatnonzero(truth).tolist() == list(range(15, 25)) and warnings == []
    features = write_tree(tmp_path, resample_fps=15, listed=[("test/anomaly/a.mp4", 2, 1, 40, "")])
    with pytest.raises(UserError, match="frame rate is unknown"):
        truth_of(features, annotate(tmp_path, "a.mp4,30,49,x"))


def export_crops(features, out, order="original", vadclip=()):
    """The crops of the test split, UR-DMU's list and VadCLIP's CSV, by the script."""
    table = ("--metadata", features / "metadata.csv", "--split", "test")
    for name, *more in (
        ("crops", "--output", out, "--order", order),
        ("ur-dmu", "--output", f"{out}.list", "--root", out),
        ("vadclip", "--output", f"{out}.csv", "--root", out, *vadclip),
    ):
        done = export(name, *table, *more)
        assert done.returncode == 0, done.stderr


def test_crop_files_load_as_ur_dmu_and_vadclip_do(features, tmp_path):
    out = tmp_path / "crops"
    export_crops(features, out)
    ur_dmu = tmp_path / "crops.list"
    assert ur_dmu.read_text().splitlines()[9] == f"{out}/anomaly/armed_002__9.npy"
    arrays = load_ur_dmu(ur_dmu, anomalies=2)
    assert [array.shape for array in arrays] == [(2, 2048)] * 10 + [(4, 2048)] * 10 + [(2, 2048)] * 10
    assert [array[1, 3] for array in arrays[:10]] == [510 + crop for crop in range(10)]
    table = load_vadclip(tmp_path / "crops.csv")
    assert [label for _, label in table] == ["anomaly"] * 20 + ["Normal"] * 10
    assert table[14][0].dtype == np.float32 and table[14][0][:, 0].tolist() == [404, 414, 424, 434]


def test_one_crop_for_vadclips_tests(features, tmp_path):
    export_crops(features, tmp_path / "crops", "centre_first", ("--crop", 5))
    # Crop 5 of the centre-first order is the mirrored centre, our crop 7.
    assert [(array[0, 0], label) for array, label in load_vadclip(tmp_path / "crops.csv")] == [
        (507, "anomaly"),
        (407, "anomaly"),
        (307, "Normal"),
    ]


def test_tencrop_order_is_torchvisions():
    import torch  # slow to import, and only wanted here
    from torchvision.transforms.functional import ten_crop

    frame = torch.arange(256 * 340).reshape(1, 256, 340)
    corners = [(0, 0), (0, 116), (16, 58), (32, 0), (32, 116)]  # ours: top left, top right, centre, bottom left, right
    ours = [frame[:, y : y + 224, x : x + 224] for y, x in corners]
    ours += [frame.flip(2)[:, y : y + 224, x : x + 224] for y, x in corners]
    theirs = ten_crop(frame, [224, 224])
    assert all(
        torch.equal(ours[place], crop) for place, crop in zip(exports.CROP_ORDERS["tencrop"], theirs, strict=True)
    )
    assert sorted(exports.CROP_ORDERS["centre_first"]) == list(range(10))


def test_centre_crop_features_give_one_file(tmp_path):
    features = write_tree(tmp_path, crops=1)
    rows = exports.select(read_metadata(features / "metadata.csv"), "test")
    exports.write_crops(rows, features, tmp_path / "crops", "tencrop")
    assert sorted(path.name for path in (tmp_path / "crops").rglob("*.npy")) == [
        "Normal_002__0.npy",
        "armed_002__0.npy",
        "theft.1__0.npy",
    ]
    table = exports.vadclip_rows(rows, exports.crop_paths(rows, Path("crops")), crop=5)
    assert table[1] == ["crops/anomaly/armed_002__0.npy", "anomaly"]


def test_crop_names_carry_ur_dmus_label(tmp_path):
    listed = [("t/anomaly/NormalLooking.mp4", 1, 1, 20, 30), ("t/non_anomaly/street.mp4", 1, 0, 20, 30)]
    features = write_tree(tmp_path, listed=listed)
    loud, street = read_metadata(features / "metadata.csv")
    assert exports.crop_stem(street) == "Normal_street"
    with pytest.raises(UserError, match="NormalLooking.*rename"):
        exports.crop_stem(loud)


def test_crop_names_that_collide_or_hold_spaces_are_refused(tmp_path):
    listed = [("t/non_anomaly/a b.mp4", 1, 0, 20, 30), ("t/non_anomaly/Normal_a b.mp4", 1, 0, 20, 30)]
    features = write_tree(tmp_path, listed=listed)
    rows = read_metadata(features / "metadata.csv")
    with pytest.raises(UserError, match="a b.mp4 and t/non_anomaly/Normal_a b.mp4 both want"):
        exports.crop_paths(rows, Path("crops"))
    with pytest.raises(UserError, match="spaces"):
        exports.ur_dmu_lines(exports.crop_paths(rows[:1], Path("crops")))


def test_a_vanished_feature_is_named(features, tmp_path):
    (features / "test/anomaly/theft.1.npy").unlink()
    with pytest.raises(UserError, match=r"theft.1.npy: gone"):
        truth_of(features, annotate(tmp_path))
    done = export(
        "ground-truth", "--metadata", tmp_path / "none.csv", "--split", "test", "--annotations", "x",
        "--frequency", 16, "--output", tmp_path / "gt.npy",
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
