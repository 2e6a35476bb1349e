"""The plan in words, and the script that prints it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from i3d.cost import prices_in_words
from i3d.cost.devices import offers
from i3d.cost.prices import Machine
from i3d.decoding.probe import Probe
from i3d.planning import overview as status
from tests.support import plans
from tests.support.paths import SCRIPTS
from tests.support.plans import make_plan

SCRIPT = SCRIPTS / "status.py"


def lines(config, **more):
    """The text by its first words; a line that goes on is one text."""
    text = status.status_text(make_plan(config), "all in the plan", **more)
    found, name = {}, ""
    for line in text.splitlines():
        if line.startswith("  "):
            found[name] += "\n" + line.strip()
        else:
            name = line[:10].strip()
            found[name] = line[10:]
    return found


def test_a_fresh_tree(config):
    found = lines(config)
    assert found["videos"] == "6: 0 present, 4 to extract, 2 skipped"
    assert found["length"] == "3 min of video, 3 min to extract"  # (40 + 100 + 5000 + 17 (+ 16)) / 25 s
    assert found["bundles"] == "3, the largest of 5,000 frames"
    # 2 + 6 + 312 + 1 snippets of 10 crops of 2048 floats; 5,000 frames of 256 x 340 x 3
    assert found["to write"] == "4 feature files, 26.3 MB; up to 1.31 GB of frames per running bundle"
    assert found["skipped"].splitlines() == [
        "2 videos",
        "test/broken.mp4: unreadable: not a video",
        "test/short.mp4: too short: 16 frames, a snippet needs more than 16",
    ]
    assert "failed" not in found


def test_what_is_no_video_is_said(config):
    assert "other" not in lines(config)
    for name in ("notes.txt", "a.xyz", "b.XYZ"):
        (Path(config["videos"]) / name).touch()
    assert lines(config)["other"] == "passed over: 2 .xyz, 1 .txt (`extensions` adds suffixes)"


def test_the_price_is_in_time_here_and_in_gpu_hours_on_a_cluster(config, monkeypatch):
    config["device"] = "cpu"
    assert re.fullmatch(
        r"about \d+ \w+ on this machine \(assumed; no self-check has been run: .*", lines(config)["takes"]
    )
    config |= {"device": "cuda", "cluster": "narval"}
    plan = make_plan(config, machine=Machine("gpu:a100_4g.20gb:1", 6, 40.0, 5))
    takes = "about 57 s on a100_4g.20gb (computed, not measured; no self-check has been run: `snakemake --cores all "
    assert takes in status.status_text(plan, "")
    monkeypatch.setattr(prices_in_words, "WORTH_COMPARING", 0.0)
    said = status.status_text(plan, "").partition("takes     ")[2].splitlines()
    assert said[0].startswith("computed, not measured; no self-check has been run")
    assert [line.split()[0] for line in said[1:6]] == list(offers("narval"))
    assert "in the profile" in said[4]
    assert sum("cheapest" in line for line in said) == sum("fastest" in line for line in said) == 1


def test_only_what_the_cluster_lists_is_priced(config, monkeypatch):
    monkeypatch.setattr(prices_in_words, "WORTH_COMPARING", 0.0)
    config |= {"device": "cuda", "cluster": "rorqual"}
    listed = ("nvidia_h100_80gb_hbm3_1g.10gb", "nvidia_h100_80gb_hbm3_2g.20gb", "gtx_1080")
    plan = make_plan(config, machine=Machine("gpu:h100_2g.20gb:1", 4, 31.0, 3, offered=listed))
    rows = [line.split() for line in status.status_text(plan, "").splitlines() if "GPU hours" in line]
    assert [row[0] for row in rows] == ["h100_1g.10gb", "h100_2g.20gb"]
    assert all("RGU" in row for row in rows)


def test_frames_through_a_pipe_are_never_written(config):
    assert lines(config | {"frames": "pipe"})["to write"] == "4 feature files, 26.3 MB"


def test_a_tree_in_progress_and_a_finished_one(config):
    plan = make_plan(config)
    plans.finish(plan, "test/a.mp4")
    assert lines(config)["videos"] == "6: 1 present, 3 to extract, 2 skipped"
    for video in ("test/b.mp4", "test/long.mp4", "test/n17.mp4"):
        plans.finish(plan, video)
    found = lines(config)
    assert found["videos"] == "6: 4 present, 0 to extract, 2 skipped"
    assert set(found) == {"trees", "videos", "length", "labels", "skipped"}


def test_finished_features_that_have_to_be_moved_are_told(config):
    plans.extract(make_plan(config), "test/a.mp4")
    assert lines(config)["videos"] == (
        "6: 0 present, 3 to extract, 1 finished and only to be moved into place, 2 skipped"
    )


def test_orphaned_features_are_named(config, tmp_path):
    plans.finish(make_plan(config), "test/a.mp4")
    (tmp_path / "videos/test/a.mp4").unlink()
    assert lines(config)["orphaned"].splitlines()[1].startswith("test/a.npy: its video is gone")


def test_one_content_in_two_splits_or_labels_is_a_warning(config, tmp_path):
    for copy in ("test/copy.mp4", "train_val/copy.mp4"):
        (tmp_path / "videos" / copy).parent.mkdir(exist_ok=True)
        (tmp_path / "videos" / copy).write_bytes(b"a")
    said = lines(config)["warning"]
    assert said == "the same video lies in several splits or labels: test/a.mp4, test/copy.mp4, train_val/copy.mp4"
    (tmp_path / "videos/train_val/copy.mp4").unlink()
    (tmp_path / "videos/copy.mp4").write_bytes(b"a")
    assert "warning" not in lines(config), "within a split, and in none, a copy is the user's own business"


def test_folders_that_tell_no_label_are_named_before_anything_is_extracted(config, tmp_path):
    for folder in ("train/fight", "train/normal", "train/Anomaly_copies"):
        (tmp_path / "videos" / folder).mkdir(parents=True)
        (tmp_path / "videos" / folder / "a.mp4").write_bytes(f"a {folder}".encode())
    assert lines(config | {"subsets": ["train"]})["labels"].startswith(
        "none for 1 video in fight, and lists need one: a folder that begins with anomal or normal tells it"
    )
    (tmp_path / "sheet.yaml").write_text(
        'title: x\nvideos: [{path: "**/{category}/*"}]\nnormal: [normal]\nsplits: {train: {paths: ["train/**"]}}\n'
    )
    assert "labels" not in lines(config | {"dataset": str(tmp_path / "sheet.yaml")})


def test_features_of_other_settings_are_a_warning(config, tmp_path):
    (tmp_path / "videos/other").mkdir()
    (tmp_path / "videos/other/c.mp4").write_bytes(b"a c")
    plans.finish(make_plan(config), "other/c.mp4")
    config |= {"subsets": ["test"], "normalization": "kinetics", "precision": "bf16"}
    said = lines(config)["warning"]
    assert "1 feature outside these subsets" in said
    assert "normalization inception, not kinetics; precision fp32, not bf16" in said


def test_features_by_a_pillow_with_other_pictures_are_named(config):
    plans.finish(make_plan(config), "test/a.mp4", resized_by="Pillow 13.0.0")
    assert lines(config)["warning"].startswith("1 feature of frames resized by Pillow 13.0.0, whose pictures differ")


def test_what_failed_is_named_with_its_reason(config):
    plans.finish(make_plan(config), "test/b.mp4", "failed", "decoding hung for 60 s")
    found = lines(config)
    assert found["failed"] == "1 video last time, now tried again\ntest/b.mp4: decoding hung for 60 s"
    plans.finish(make_plan(config), "test/a.mp4")
    (Path(config["features"]) / "test/a.npy").unlink()  # to be extracted again, but it never failed
    assert lines(config)["failed"].count(".mp4") == 1
    config["precision"] = "bf16"  # under other settings it has not failed yet
    assert "failed" not in lines(config)


def test_names_stop_at_a_limit_and_say_where_the_rest_is(config):
    assert lines(config, named=1)["skipped"].splitlines() == [
        "2 videos",
        "test/broken.mp4: unreadable: not a video",
        "and 1 more, all in the plan",
    ]


def test_videos_of_unknown_length_are_told(config, monkeypatch):
    monkeypatch.setattr("i3d.planning.catalog.probe_many", lambda paths, **options: [(path, Probe()) for path in paths])
    found = lines(config)
    assert found["to write"].endswith("6 videos of unknown length taken for 1000 frames")
    assert found["length"] == "0 s of video, 0 s to extract"


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


def test_the_script_takes_settings_like_snakemake(tmp_path):
    (tmp_path / "videos/t").mkdir(parents=True)
    for number in range(7):
        (tmp_path / f"videos/t/{number}.mp4").write_bytes(b"no video")
    settings = ("--config", f"videos={tmp_path / 'videos'}", f"features={tmp_path / 'features'}", "weights=random")
    done = run(*settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "videos    7: 0 present, 0 to extract, 7 skipped"
    assert done.stdout.endswith("and 2 more, all with --all\n")
    assert run(*settings, "--all").stdout.count("unreadable") == 7
    (tmp_path / "other.yaml").write_text("extensions: [avi]\n")
    assert run("--configfile", tmp_path / "other.yaml", *settings).stderr.startswith(
        f"error: videos: {tmp_path / 'videos'} holds no video (.avi)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config", "weights"), "error: --config weights: write KEY=VALUE"),
        (("--config", "wieghts=random"), "error: config: there is no key 'wieghts'; did you mean 'weights'?"),
        (("--configfile", "nowhere.yaml"), "error: nowhere.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_the_script_names_bad_settings(arguments, message):
    done = run(*arguments)
    assert done.returncode == 1 and done.stderr.startswith(message)
