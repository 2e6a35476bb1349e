"""What a run decides to do, and above all what it does not do again."""

import os
import shutil
from base64 import urlsafe_b64encode

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.planning.plan import make_plan
from i3d.records.outcomes import write_outcomes
from tests.support.plans import finish


def finish_all(config) -> None:
    plan = make_plan(config)
    for video in plan.pending:
        finish(plan, video)
    assert not make_plan(config).pending


def pending(config) -> list[str]:
    return [video.removeprefix("test/").removesuffix(".mp4") for video in make_plan(config).pending]


def test_a_first_plan(config):
    plan = make_plan(config)
    assert [[entry["video"] for entry in bundle["videos"]] for bundle in plan.bundles] == [
        ["test/a.mp4", "test/b.mp4"],
        ["test/long.mp4"],
        ["test/n17.mp4"],
    ]
    assert plan.skipped == {
        "test/broken.mp4": "unreadable: not a video",
        "test/short.mp4": "too short: 16 frames, a snippet needs more than 16",
    }
    assert plan.present == {}
    assert plan.bundles == make_plan(config).bundles, "two processes must agree on names"


def test_the_bundle_of_a_feature(config):
    plan = make_plan(config)
    assert plan.bundle_of("test/a") == plan.bundles[0]["name"]
    with pytest.raises(UserError, match=r"test/short.npy: test/short.mp4 is skipped: too short: 16 frames"):
        plan.bundle_of("test/short")
    with pytest.raises(UserError, match="no video gives this feature"):
        plan.bundle_of("test/none")
    finish(plan, "test/a.mp4")
    assert make_plan(config).bundle_of("test/a") == plan.bundles[0]["name"], "the record names the bundle that made it"


def test_finished_videos_are_not_done_again(config):
    plan = make_plan(config)
    finish(plan, "test/a.mp4")
    assert pending(config) == ["b", "long", "n17"]
    finish_all(config)
    plan = make_plan(config)
    assert [path.name for path in plan.targets()] == ["metadata.csv", "feature_config.txt"]


def test_a_failed_video_is_tried_again_and_alone(config):
    plan = make_plan(config)
    for video in plan.pending:
        finish(plan, video, *(("failed", "no frame for 60 s") if video == "test/b.mp4" else ()))
    assert pending(config) == ["b"]
    assert make_plan(config).bundles[0]["name"] not in {bundle["name"] for bundle in plan.bundles}


def test_a_video_found_bad_while_decoding_is_skipped_from_then_on(config):
    finish(make_plan(config), "test/b.mp4", "skipped", "unreadable: no picture")
    plan = make_plan(config)
    assert plan.skipped["test/b.mp4"] == "unreadable: no picture"
    assert "test/b.mp4" not in plan.pending
    video = plan.videos["test/b.mp4"].file.path
    video.write_bytes(b"a better copy")
    assert "b" in pending(config)


NUMERIC_CHANGES = {
    "model": "i3d_r50_nl",
    "normalization": "kinetics",
    "precision": "bf16",
    "sample_mode": "center_crop",
    "frequency": 8,
    "clip_length": 12,
    "fps": 30,
}


@pytest.mark.parametrize("key", NUMERIC_CHANGES)
def test_a_setting_that_changes_the_numbers_makes_all_due(config, key):
    finish_all(config)
    config[key] = NUMERIC_CHANGES[key]
    assert set(pending(config)) >= {"a", "b", "long", "n17"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 1),
        ("device", "cpu"),
        ("decoder", "pyav"),
        ("frames", "pipe"),
        ("bundle_frames", 9),
        ("stall_seconds", 1),
    ],
)
def test_a_setting_that_does_not_change_the_numbers_makes_nothing_due(config, key, value):
    finish_all(config)
    config[key] = value
    assert pending(config) == []


def test_other_weights_make_all_due_and_the_same_weights_elsewhere_do_not(config, tmp_path):
    finish_all(config)
    os.utime(config["weights"], (1, 1))
    assert pending(config) == []
    config["weights"] = shutil.copy(config["weights"], tmp_path / "copy.pth")
    assert pending(config) == []
    (tmp_path / "copy.pth").write_bytes(b"weightz")
    assert pending(config) == ["a", "b", "long", "n17"]


def test_a_changed_video_is_due_and_a_touched_one_is_not(config):
    finish_all(config)
    path = make_plan(config).videos["test/a.mp4"].file.path
    os.utime(path, (1, 1))
    assert pending(config) == []
    path.write_bytes(b"z")
    assert pending(config) == ["a"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:500]),
        lambda path: np.save(path, np.zeros((2, 10, 2048), np.float32)),
    ],
)
def test_a_missing_truncated_or_foreign_feature_is_due(config, tmp_path, spoil):
    finish_all(config)
    spoil(tmp_path / "features/test/b.npy")
    assert pending(config) == ["b"]


def test_a_feature_without_a_record_is_not_trusted(config, tmp_path):
    (tmp_path / "features/test").mkdir(parents=True)
    np.save(tmp_path / "features/test/a.npy", np.zeros((2, 10, 2048), np.float32))
    plan = make_plan(config)
    assert "test/a.mp4" in plan.pending
    plan.write()
    bundle = plan.work.bundles / f"{plan.pending['test/a.mp4']}.json"
    assert bundle.stat().st_mtime_ns >= (tmp_path / "features/test/a.npy").stat().st_mtime_ns


def test_missing_weights_are_named_with_what_to_do(config):
    config["weights"] = "nowhere.pth"
    with pytest.raises(UserError, match=r"weights: cannot read nowhere.pth .*snakemake --cores 1 weights"):
        make_plan(config)


def test_random_weights_need_no_file(config):
    config["weights"] = "random"
    assert make_plan(config).settings["weights_sha256"] == "random"


def test_a_features_tree_that_cannot_be_made(config, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    config["features"] = str(tmp_path / "file" / "features")
    with pytest.raises(UserError, match="features: cannot make the folder"):
        make_plan(config)


def test_a_bundle_whose_features_wait_in_staging_is_not_extracted_again(config, tmp_path, monkeypatch):
    """As a job leaves them that outlived its Snakemake: outcomes written, nothing moved."""
    plan = make_plan(config)
    bundle = plan.bundles[0]
    for video in ("test/a.mp4", "test/b.mp4"):
        finish(plan, video)
        feature = plan.videos[video].file.feature
        (plan.work.root.parent / feature).replace(plan.work.staging / feature)
    outcomes = plan.work.outcomes / f"{bundle['name']}.jsonl"
    write_outcomes(outcomes, [])
    assert make_plan(config).bundles[0]["name"] == bundle["name"]

    monkeypatch.chdir(tmp_path)  # Snakemake was stopped before it took note of the job's end
    marker = tmp_path / ".snakemake/incomplete" / urlsafe_b64encode(str(outcomes).encode()).decode()
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert make_plan(config).bundles[0]["name"] != bundle["name"]
    marker.unlink()
    (plan.work.staging / "test/a.npy").unlink()
    assert make_plan(config).bundles[0]["name"] != bundle["name"]
