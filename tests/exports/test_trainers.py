"""Warnings and commands for trainers: videos that break them, paths they misread, settings that do not mix."""

import subprocess
from pathlib import Path

from i3d.exports import trainers
from tests.support.finished_trees import table, write_tree
from tests.support.rows import row


def test_short_test_videos_are_named_with_the_trainers_they_break():
    rows = [row(f"test/anomaly/{count}.mp4", snippets=count) for count in (1, 2, 3)]
    all_five, four = trainers.too_short(rows, "test")
    assert all_five.startswith("test/anomaly/1.mp4 (1): too few snippets, RTFM, MGFN, TEVAD, S3R, Smart-Surveillance")
    assert four.startswith("test/anomaly/2.mp4 (2): too few snippets, RTFM, MGFN, TEVAD, S3R break")
    assert "`lists: {min_snippets: {test: 3}}`" in four
    assert trainers.too_short(rows[2:], "test") == []
    (held_out,) = trainers.too_short([row("train_val/anomaly/1.mp4", snippets=1)], "val")
    assert "`lists: {min_snippets: {val: 3}}`" in held_out


def test_paths_that_a_trainer_misreads_are_told():
    rows = [row("test/anomaly/a.mp4"), row("test/non_anomaly/n.mp4", label=0), row("test/normal/m.mp4", label=0)]

    def lines(root):
        return [f"{root}/{each.feature_file}" for each in rows]

    (warning,) = trainers.misread("Smart-Surveillance", rows[:2], lines("/home/u/non_anomaly_study")[:2])
    assert "misreads 1 of 2 lines, such as /home/u/non_anomaly_study/test/anomaly/a.npy" in warning
    assert trainers.misread("Smart-Surveillance", rows[:2], lines("/data")[:2]) == []
    (warning,) = trainers.misread("Smart-Surveillance", rows, lines("/data"))  # a line that it leaves out
    assert "leaves out 1 of 3 lines, such as /data/test/normal/m.npy; it needs folders" in warning
    assert trainers.misread("Smart-Surveillance", [], []) == []
    (warning,) = trainers.misread("Smart-Surveillance", rows[2:], lines("/data")[2:])  # all lines
    assert warning.endswith("anywhere in the path, which no path here has: it cannot use these lists")
    named = ["/data/a__0.npy", "/data/Normal_n__0.npy", "/data/Normal_m__0.npy"]
    assert trainers.misread("PEL4VAD", rows, named) == []
    (warning,) = trainers.misread("PEL4VAD", rows, [line.replace("data", "Normal") for line in named])
    assert "misreads 1 of 3 lines, such as /Normal/a__0.npy" in warning


def test_features_of_different_settings_are_told(tmp_path):
    listed = [("t/anomaly/a.mp4", 1, 1, 20, 30), ("t/anomaly/b.mp4", 1, 1, 20, 30)]
    one = table(write_tree(tmp_path / "1", listed, normalization="kinetics", precision="fp32"))
    other = table(write_tree(tmp_path / "2", listed, normalization="inception", precision="fp32"))
    assert trainers.mixed_settings(one) == []
    assert trainers.mixed_settings([one[0], other[1]]) == [
        "features of different normalization in one tree, which do not mix: kinetics (t/anomaly/a.mp4) and inception "
        "(t/anomaly/b.mp4)"
    ]
    rates = [table(write_tree(tmp_path / str(rate), listed, resample_fps=rate))[0] for rate in ("", 25)]
    assert (
        "different resample_fps" in trainers.mixed_settings(rates)[0] and "none (" in trainers.mixed_settings(rates)[0]
    )


def test_settings_that_no_trainer_knows_are_told():
    assert trainers.unlike_trainers(16, 10) == []
    frequency, one_crop = trainers.unlike_trainers(8, 1)
    assert frequency.startswith("features of `frequency` 8, but") and one_crop.startswith("1 crop per snippet")


def data_set(**more):
    values = {
        "lists": Path("/d/my lists"),
        "crops_folder": Path("/d/crops"),
        "train": trainers.Part("train_val", 21, 30, 51),
        "test": trainers.Part("test", 5, 6, 11),
        "validation": trainers.Part("val", 2, 3, 5),
        "crops": 10,
        "labels": {"Normal": "normal", "anomaly": "anomaly"},
    }
    return trainers.Numbers(**values | more)


def block(text, name):
    """The lines of one trainer."""
    (found,) = (part for part in text.split("\n\n") if part.startswith(f"{name} "))
    return found


def test_the_commands_hold_this_data_sets_numbers_and_paths():
    text = trainers.commands_for(data_set())
    assert text.startswith(
        "commands for ten trainers on features of 10 crops (order original), 2048 values each, a snippet every 16 "
    )
    assert [part.split()[0] for part in text.split("\n\n")[1:]] == [
        *("RTFM", "MGFN", "Smart-Surveillance", "UR-DMU", "BN-WVAD", "PEL4VAD", "DeepMIL", "VadCLIP", "TEVAD", "S3R")
    ]
    for name, expected in {
        "RTFM": (
            "cp '/d/my lists/train_val.list' list/ucf-i3d.list",
            "s/810/21/",
            "--batch-size 21",
            "list/gt-ucf.npy",
        ),
        "MGFN": ("--rgb-list '/d/my lists/train_val.list'", "s/810/21/", "--batch_size 16"),
        "Smart-Surveillance": (
            "--val-list '/d/my lists/val.list'",
            "--val_gt '/d/my lists/val_gt.npy'",
            "shuffle=False",
        ),
        "UR-DMU": ("cp /d/crops/train_val.list list/UCF_Train.list", "s/8100/210/", "len_feature = 2048"),
        "BN-WVAD": ("s/9525/210/", "--len_feature 2048", "batch_size = 10,"),
        "PEL4VAD": ("feat_dim = 2048", "test_bs = 10", "s#d_model // 2#512#"),
        "DeepMIL": ("s/810/210/", "--test-rgb-list /d/crops/test_one_crop.list", "--feature-size 2048"),
        "VadCLIP": (
            "--classes-num 2",
            '{"Normal": "normal", "anomaly": "anomaly"}',
            "videos_num = 11",
            "nn.Linear(2048, visual_width)",
        ),
        "TEVAD": ("cp '/d/my lists/i3d/train_val.list'", "s/810/21/", "_emb.npy"),
        "S3R": ("'/d/my lists/i3d/test_ground_truth.json'", "s/810/21/", "train_val_regular_features.pickle'"),
    }.items():
        for words in expected:
            assert words in block(text, name), (name, words)
    assert "batch_size = 64/" not in block(text, "UR-DMU")


def test_the_commands_mind_small_data_sets_and_a_missing_validation_split():
    small = trainers.commands_for(data_set(train=trainers.Part("train_val", 3, 9, 12), validation=None))
    assert "s/batch_size = 64/batch_size = 30/" in block(small, "UR-DMU")
    assert "--batch-size 3" in block(small, "RTFM")
    assert "--val-list '/d/my lists/test.list'" in block(small, "Smart-Surveillance")
    assert "no validation split" in block(small, "Smart-Surveillance")


def test_vadclip_takes_clips_features_without_an_edit_of_its_width():
    text = block(trainers.commands_for(data_set(dim=512)), "VadCLIP")
    assert "self.project" not in text and "--classes-num 2" in text
    of_xd = block(trainers.commands_for(data_set(dim=512, labels={"A": "normal", "B1-0-0": "x"})), "VadCLIP")
    assert "src/xd_train.py" in of_xd and "label_map" not in of_xd and "videos_num = 11" in of_xd


def test_any_words_for_events_reach_vadclips_code(tmp_path):
    labels = {"Normal": "normal", "fight/brawl & 'run'": 'a "b" \\1 $HOME `x`', "schlägerei": "x"}
    text = block(trainers.commands_for(data_set(labels=labels)), "VadCLIP")
    (tmp_path / "src/utils").mkdir(parents=True)
    for name in ("ucf_train", "ucf_test"):
        (tmp_path / f"src/{name}.py").write_text("label_map = dict({'Normal': 'normal'})\n")
    (tmp_path / "src/utils/ucf_detectionMAP.py").write_text("classlist = [1]\nclasses_num = 14\n")
    edits = [line for line in text.splitlines() if "label_map" in line or "ucf_detectionMAP" in line]
    subprocess.run(["bash", "-e", "-c", "\n".join(edits)], cwd=tmp_path, check=True)
    for path, name, expected in (
        ("ucf_train.py", "label_map", labels),
        ("ucf_test.py", "label_map", labels),
        ("utils/ucf_detectionMAP.py", "classlist", list(labels)),
        ("utils/ucf_detectionMAP.py", "classes_num", 3),
    ):
        values: dict = {}
        exec((tmp_path / "src" / path).read_text(), values)
        assert values[name] == expected


def test_what_breaks_a_trainers_own_code_is_in_its_lines():
    """As found by following the lines to the letter."""
    text = trainers.commands_for(data_set())
    for name, words in {
        "DeepMIL": ("--gpus 0", 'torch.Generator("cuda")'),
        "PEL4VAD": ("CUDA_VISIBLE_DEVICES",),
        "VadCLIP": ("mkdir -p model", "step % 1280", "weights_only=False", 'classlist = ["Normal", "anomaly"]'),
        "TEVAD": ("mkdir -p output",),
        "S3R": ("mkdir -p data/ucf-crime/i3d", "envcols = 24, 80", "max_iter = ", 'torch.Generator("cuda")'),
        "MGFN": ("the same videos are never trained on",),
    }.items():
        assert all(word in block(text, name) for word in words), name
