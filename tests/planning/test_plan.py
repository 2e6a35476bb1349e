"""What a run decides to do, and above all what it does not do again."""

import os
import shutil

import numpy as np
import pytest

from i3d.config import complete
from i3d.errors import UserError
from i3d.planning import catalog
from i3d.planning.plan import read_plan
from i3d.records.work_folder import WorkFolder
from tests.support.plans import extract, finish, make_plan, move


def finish_all(config) -> None:
    plan = make_plan(config)
    for video in plan.pending:
        finish(plan, video)
    assert not make_plan(config).pending


def pending(config) -> list[str]:
    return [video.removeprefix("test/").removesuffix(".mp4") for video in make_plan(config).pending]


def test_a_first_plan(config):
    plan = make_plan(config)
    assert [[entry.video for entry in bundle.videos] for bundle in plan.bundles] == [
        ["test/a.mp4", "test/b.mp4"],
        ["test/long.mp4"],
        ["test/n17.mp4"],
    ]
    assert {video: record.reason for video, record in plan.skipped.items()} == {
        "test/broken.mp4": "unreadable: not a video",
        "test/short.mp4": "too short: 16 frames, a snippet needs more than 16",
    }
    assert plan.present == {}
    assert plan.bundles == make_plan(config).bundles, "two processes must agree on names"


def test_the_bundle_of_a_feature(config):
    plan = make_plan(config)
    assert plan.bundle_of("test/a.npy") == plan.bundles[0].name
    with pytest.raises(UserError, match=r"test/short.npy: test/short.mp4 is skipped: too short: 16 frames"):
        plan.bundle_of("test/short.npy")
    with pytest.raises(UserError, match="no video has this feature"):
        plan.bundle_of("test/none.npy")
    finish(plan, "test/a.mp4")
    assert make_plan(config).bundle_of("test/a.npy") is None
    for path in (plan.work.bundle(plan.bundles[0].name), plan.work.extracted / plan.bundles[0].name):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert make_plan(config).bundle_of("test/a.npy") == plan.bundles[0].name, "Snakemake can be told what made it"


def test_finished_videos_are_not_done_again(config):
    plan = make_plan(config)
    finish(plan, "test/a.mp4")
    assert pending(config) == ["b", "long", "n17"]
    finish_all(config)
    plan = make_plan(config)
    assert plan.is_due and not plan.due, "the tables are still to be written"


def test_a_failed_video_is_tried_again_and_alone(config):
    plan = make_plan(config)
    for video in plan.pending:
        finish(plan, video, *(("failed", "no frame for 60 s") if video == "test/b.mp4" else ()))
    assert pending(config) == ["b"]
    assert make_plan(config).bundles[0].name not in {bundle.name for bundle in plan.bundles}


def test_a_video_found_bad_while_decoding_is_skipped_from_then_on(config):
    finish(make_plan(config), "test/b.mp4", "skipped", "unreadable: no picture")
    plan = make_plan(config)
    assert plan.skipped["test/b.mp4"].reason == "unreadable: no picture"
    assert "test/b.mp4" not in plan.pending
    video = plan.videos["test/b.mp4"].file.path
    video.write_bytes(b"b better copy")
    assert "b" in pending(config)


NUMERIC_CHANGES = {
    "model": "i3d_r50_nl",
    "normalization": "kinetics",
    "precision": "bf16",
    "sample_mode": "center_crop",
    "frequency": 8,
    "clip_length": 12,
    "fps": 30,
    "via_jpeg": True,
}


def test_features_from_before_a_setting_was_there_stay_valid():
    """`via_jpeg` came later: at its default, settings have the fingerprint that they had without it."""
    assert complete({}).numeric("random").fingerprint == "c8f27c21abd2dff9"
    ways = [complete({"via_jpeg": way}).numeric("random").fingerprint for way in (False, True, "old_ffmpeg")]
    assert len(set(ways)) == 3


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
    config["weights"] = str(shutil.copy(config["weights"], tmp_path / "copy.pth"))
    assert pending(config) == []
    (tmp_path / "copy.pth").write_bytes(b"weightz")
    assert pending(config) == ["a", "b", "long", "n17"]


def test_a_changed_video_is_due_and_a_touched_one_is_not(config):
    finish_all(config)
    path = make_plan(config).videos["test/a.mp4"].file.path
    os.utime(path, (1, 1))
    assert pending(config) == []
    path.write_bytes(b"a z")
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
    bundle = plan.work.bundle(plan.pending["test/a.mp4"])
    assert bundle.stat().st_mtime_ns >= (tmp_path / "features/test/a.npy").stat().st_mtime_ns


def test_missing_weights_are_named_with_what_to_do(config):
    config["weights"] = "nowhere.pth"
    plan = make_plan(config)
    assert len(plan.pending) == 4 and "cannot read nowhere.pth (No such file or directory)" in str(plan.problem)
    assert "`snakemake --cores 1 weights`" in str(plan.problem)


def test_features_that_are_there_need_no_weights(config):
    plan = make_plan(config)
    plan.write()
    for video in plan.pending:
        extract(plan, video)
        move(plan, video)
    config["weights"] = "nowhere.pth"
    again = make_plan(config)
    assert (len(again.present), again.pending, again.problem) == (4, {}, None)


def test_random_weights_need_no_file(config):
    config["weights"] = "random"
    assert make_plan(config).settings.weights_sha256 == "random"


def test_random_weights_replace_no_feature_of_real_ones(config, tmp_path):
    """As when a trial is started with the settings of the data set but for the weights."""
    finish(make_plan(config), "test/a.mp4")
    trial = make_plan(config | {"weights": "random"})
    assert str(trial.problem) == (
        f"weights: 1 feature in {tmp_path}/features would be replaced by those of random weights; set 'features' to "
        "another folder for a trial"
    )
    elsewhere = config | {"weights": "random", "features": str(tmp_path / "trial")}
    finish(make_plan(elsewhere), "test/a.mp4")
    again = make_plan(elsewhere | {"frequency": 8})
    assert (list(again.replaced), again.problem) == (["test/a.mp4"], None)


def test_finished_features_that_are_not_in_place_are_only_moved(config):
    """As a job leaves them that outlived its Snakemake: staged and on record, nothing moved."""
    plan = make_plan(config)
    extract(plan, "test/a.mp4")
    again = make_plan(config)
    assert list(again.waiting) == ["test/a.mp4"]
    assert pending(config) == ["b", "long", "n17"]
    assert again.due == ["test/a.mp4", "test/b.mp4", "test/long.mp4", "test/n17.mp4"]
    assert again.bundle_of("test/a.npy") is None
    move(again, "test/a.mp4")
    assert list(make_plan(config).present) == ["test/a.mp4"]
    (plan.work.features / "test/a.npy").unlink()
    assert "a" in pending(config)


def test_a_clock_that_was_ahead_spoils_nothing(config, tmp_path):
    finish_all(config)
    path = tmp_path / "videos/test/a.mp4"
    before = path.read_bytes()
    path.write_bytes(b"a later")
    finish(make_plan(config), "test/a.mp4", finished="2099-01-01")
    path.write_bytes(before)
    finish(make_plan(config), "test/a.mp4", finished="2026-06-01")
    assert pending(config) == [], "the record that fits counts, not the newest"


def test_content_that_changed_behind_size_and_time_is_seen(config, tmp_path):
    finish_all(config)
    path = tmp_path / "videos/test/a.mp4"
    path.write_bytes(b"a 1")
    finish(make_plan(config), "test/a.mp4")
    status = path.stat()
    path.write_bytes(b"a 2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert pending(config) == ["a"]


@pytest.mark.parametrize("damage", ["journals", "catalog.json", "plans", "bundles", "staging"])
def test_a_file_where_a_folder_should_be_is_no_disaster(config, damage):
    work = WorkFolder.beside(config["features"])
    work.root.mkdir(parents=True)
    (work.root / damage).write_text("[]")
    assert pending(config) == ["a", "b", "long", "n17"]


def test_a_moved_video_keeps_its_feature(config, tmp_path):
    finish_all(config)
    old, new = "test/a.mp4", "train_val/normal/renamed.mp4"
    content = (tmp_path / "features/test/a.npy").read_bytes()
    (tmp_path / "videos/train_val/normal").mkdir(parents=True)
    (tmp_path / "videos" / old).rename(tmp_path / "videos" / new)
    plan = make_plan(config)
    assert (list(plan.waiting), plan.pending, plan.orphaned) == ([new], {}, {})
    plan.stage_moved()
    assert not (tmp_path / "features/test/a.npy").exists()
    plan = make_plan(config)
    assert (list(plan.waiting), plan.pending, plan.orphaned) == ([new], {}, {})
    move(plan, new)
    plan = make_plan(config)
    assert new in plan.present and not plan.due and not plan.elsewhere
    assert (tmp_path / "features/train_val/normal/renamed.npy").read_bytes() == content


@pytest.mark.parametrize("round_about", [False, True])
def test_videos_that_were_renamed_in_a_chain_keep_their_features(config, tmp_path, round_about):
    """Each takes a place that another has left: a becomes b, b becomes long, and long c, or a."""
    finish_all(config)
    videos, features = tmp_path / "videos/test", tmp_path / "features/test"
    contents = {name: (features / f"{name}.npy").read_bytes() for name in ("a", "b", "long")}
    renamed = {"long": "a" if round_about else "c", "b": "long", "a": "b"}
    for name, content in {new: (videos / f"{old}.mp4").read_bytes() for old, new in renamed.items()}.items():
        (videos / f"{name}.mp4").write_bytes(content)
    if not round_about:
        (videos / "a.mp4").unlink()
    plan = make_plan(config)
    assert list(plan.waiting) == sorted(f"test/{name}.mp4" for name in renamed.values())
    assert (plan.pending, plan.orphaned, plan.replaced, plan.strangers) == ({}, {}, {}, [])
    plan.stage_moved()
    for video in plan.waiting:
        move(plan, video)
    plan = make_plan(config)
    assert len(plan.present) == 4 and not plan.due and not plan.elsewhere
    assert {name: (features / f"{new}.npy").read_bytes() for name, new in renamed.items()} == contents


def test_a_feature_that_moves_from_a_video_now_skipped_is_not_stale(config, tmp_path):
    finish_all(config)
    (tmp_path / "videos/test/a.mp4").rename(tmp_path / "videos/test/moved.mp4")
    shutil.copy(tmp_path / "videos/test/short.mp4", tmp_path / "videos/test/a.mp4")
    plan = make_plan(config)
    assert (list(plan.waiting), plan.pending, plan.stale) == (["test/moved.mp4"], {}, {})


def test_a_copy_of_a_video_that_cannot_be_read_now_takes_nothing(config, tmp_path, monkeypatch):
    finish_all(config)
    (tmp_path / "videos/test/copy.mp4").write_bytes((tmp_path / "videos/test/a.mp4").read_bytes())
    os.utime(tmp_path / "videos/test/a.mp4", (1, 1))
    digest = catalog._digest
    monkeypatch.setattr(catalog, "_digest", lambda path: catalog.UNREAD if path.name == "a.mp4" else digest(path))
    plan = make_plan(config)
    assert "test/copy.mp4" in plan.pending and not plan.waiting


def test_a_copied_video_is_extracted_and_leaves_the_first_alone(config, tmp_path):
    finish_all(config)
    shutil.copy(tmp_path / "videos/test/a.mp4", tmp_path / "videos/test/copy.mp4")
    plan = make_plan(config)
    assert (list(plan.pending), list(plan.waiting)) == (["test/copy.mp4"], [])


def test_one_lost_video_moves_to_one_place_only(config, tmp_path):
    finish_all(config)
    video = tmp_path / "videos/test/a.mp4"
    shutil.copy(video, tmp_path / "videos/test/one.mp4")
    shutil.copy(video, tmp_path / "videos/test/two.mp4")
    video.unlink()
    plan = make_plan(config)
    assert (list(plan.waiting), list(plan.pending)) == (["test/one.mp4"], ["test/two.mp4"])


def test_a_deleted_video_leaves_an_orphan(config, tmp_path):
    finish_all(config)
    (tmp_path / "videos/test/a.mp4").unlink()
    plan = make_plan(config)
    assert [(record.status, record.feature_file) for record in plan.orphaned.values()] == [("orphaned", "test/a.npy")]
    assert plan.due == [] and plan.is_due, "the tables are to tell of it"
    (tmp_path / "features/test/a.npy").unlink()
    assert make_plan(config).orphaned == {}


def test_videos_outside_the_subsets_keep_their_rows(config, tmp_path):
    (tmp_path / "videos/train_val").mkdir()
    (tmp_path / "videos/train_val/c.mp4").write_bytes(b"b c")
    (tmp_path / "videos/train_val/brief.mp4").write_bytes(b"short c")
    finish_all(config)
    config["subsets"] = ["test"]
    elsewhere = make_plan(config).elsewhere
    assert {video: record.status for video, record in elsewhere.items()} == {
        "train_val/brief.mp4": "skipped",
        "train_val/c.mp4": "ok",
    }


def test_features_can_be_made_again_or_alone(config):
    finish_all(config)
    assert set(make_plan(config, again={"test/a.npy"}).pending) == {"test/a.mp4"}
    assert len(make_plan(config, again=None).pending) == 4
    (WorkFolder.beside(config["features"]).features / "test/b.npy").unlink()
    alone = make_plan(config, only={"test/a.npy"})
    assert (list(alone.present), alone.pending, "test/b.mp4" in alone.elsewhere) == (["test/a.mp4"], {}, False)


def test_a_folder_in_a_features_place_costs_its_video_alone(config, tmp_path):
    (tmp_path / "videos/other").mkdir()
    (tmp_path / "videos/other/c.mp4").write_bytes(b"a c")
    (tmp_path / "features/test/a.npy/full").mkdir(parents=True)
    (tmp_path / "features/other").write_text("a file where a folder should be")
    plan = make_plan(config)
    assert "features/other is no folder" in plan.skipped["other/c.mp4"].reason
    assert "a folder in the place of its feature file" in plan.skipped["test/a.mp4"].reason
    assert set(plan.pending) == {"test/b.mp4", "test/long.mp4", "test/n17.mp4"}


def test_the_plan_file_says_all_that_the_end_of_a_run_needs(config):
    plan = make_plan(config)
    plan.write()
    file = read_plan(plan.path)
    assert {video: pending.bundle for video, pending in file.pending.items()} == plan.pending
    assert file.pending["test/a.mp4"].probe.frames == 40
    assert file.skipped == plan.skipped
    assert file.features == {f"test/{name}.mp4": f"test/{name}.npy" for name in ("a", "b", "long", "n17")}
    sound = plan.path.read_text()
    for damaged in (
        sound[:-4],
        sound.replace('"test/a.npy"', '"../../a.npy"'),
        sound.replace('"test/a.mp4":"test/a.npy"', '"../a.mp4":"../a.npy"'),
        sound.replace('"test/short.mp4"', '"/test/short.mp4"'),
    ):
        assert damaged != sound
        plan.path.write_text(damaged)
        with pytest.raises(UserError, match="not a readable plan file"):
            read_plan(plan.path)


def test_resampling_does_not_make_an_hour_of_a_time_lapse(config, monkeypatch):
    config["fps"] = 1000.0
    monkeypatch.setattr("i3d.planning.decide.MOST_COPIES", 40)
    assert set(make_plan(config).pending) == {f"test/{name}.mp4" for name in ("a", "b", "long", "n17")}
    monkeypatch.setattr("i3d.planning.decide.MOST_COPIES", 39)
    plan = make_plan(config)
    assert plan.pending == {}
    assert plan.skipped["test/a.mp4"].reason == "`fps: 1000` would show each of its frames 40 times; lower it"


def test_missing_videos_are_told_before_missing_weights_and_lists(config):
    for other in ({"weights": "nowhere.pth"}, {"dataset": "ucf_crime"}):
        with pytest.raises(UserError, match="videos: there is no folder nowhere"):
            make_plan(config | {"videos": "nowhere"} | other)
