"""Whose videos the features are of: another tree's features are never moved, orphaned or written over."""

import shutil

import msgspec
import pytest

from i3d.errors import UserError
from i3d.records import journal
from i3d.records.work_folder import WorkFolder
from tests.support.bystanders import lost, snapshot
from tests.support.plans import finish, make_plan


@pytest.fixture
def finished(config):
    """The configuration of a tree whose four features are made."""
    plan = make_plan(config)
    plan.write()
    for video in plan.pending:
        finish(plan, video)
    return config


def other_tree(tmp_path, *names: str) -> str:
    """Another tree with copies of some of the videos, and one of its own."""
    for name in names:
        target = tmp_path / "other" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "videos" / name, target)
    (tmp_path / "other/test").mkdir(parents=True, exist_ok=True)
    (tmp_path / "other/test/new.mp4").write_bytes(b"b new")
    return str(tmp_path / "other")


def as_older(config) -> None:
    """Make the records those of a release that did not write down whose they are."""
    work = WorkFolder.beside(config["features"])
    work.trees.unlink()
    for path in work.journals.glob("*.jsonl"):
        records = [msgspec.structs.replace(record, tree="") for record in journal.read(path)]
        path.unlink()
        journal.append(path, records)


@pytest.mark.parametrize("older", [False, True])
def test_other_videos_on_the_same_features_are_refused(finished, tmp_path, older):
    if older:
        as_older(finished)
    before = snapshot(tmp_path / "features")
    with pytest.raises(UserError) as error:
        make_plan(finished | {"videos": other_tree(tmp_path, "test/a.mp4")})
    assert f"not of those in {tmp_path}/other" in str(error.value) and "another_tree=add" in str(error.value)
    assert older or f"of the videos in {tmp_path}/videos" in str(error.value)
    assert snapshot(tmp_path / "features") == before


def test_an_addition_moves_and_orphans_nothing(finished, tmp_path):
    videos = other_tree(tmp_path, "test/a.mp4")
    (tmp_path / "other/test/a.mp4").rename(tmp_path / "other/test/copy_of_a.mp4")
    plan = make_plan(finished | {"videos": videos, "another_tree": "add"})
    assert set(plan.pending) == {"test/copy_of_a.mp4", "test/new.mp4"}
    assert (plan.waiting, plan.orphaned, plan.strangers) == ({}, {}, [])
    assert {video: record.status for video, record in plan.elsewhere.items()} == {
        f"test/{name}.mp4": "ok" for name in ("a", "b", "long", "n17")
    }
    plan.write()
    for video in plan.pending:
        finish(plan, video)
    for config in (finished, finished | {"videos": videos}):  # both are known now, without the switch
        plan = make_plan(config)
        assert (plan.pending, plan.waiting, plan.orphaned) == ({}, {}, {})
    assert len(make_plan(finished).present) == 4 and len(make_plan(finished).elsewhere) == 2


def test_a_video_that_an_addition_has_in_the_place_of_anothers_is_refused(finished, tmp_path):
    videos = other_tree(tmp_path)
    (tmp_path / "other/test/b.mp4").write_bytes(b"b other")
    with pytest.raises(UserError, match=r"test/b.mp4: the place of the feature is taken by that of another tree's"):
        make_plan(finished | {"videos": videos, "another_tree": "add"})
    shutil.copy(tmp_path / "videos/test/b.mp4", tmp_path / "other/test/b.mp4")
    plan = make_plan(finished | {"videos": videos, "another_tree": "add"})
    assert "test/b.mp4" in plan.present, "the same video is the same feature"


@pytest.mark.parametrize("older", [False, True])
def test_a_tree_that_was_moved_or_mounted_elsewhere_is_the_same(finished, tmp_path, older):
    if older:
        as_older(finished)
    (tmp_path / "videos").rename(tmp_path / "moved")
    moved = finished | {"videos": str(tmp_path / "moved")}
    plan = make_plan(moved)
    assert len(plan.present) == 4 and not plan.due and not plan.orphaned
    plan.write()
    (tmp_path / "moved/test/a.mp4").unlink()
    (tmp_path / "moved/test/b.mp4").unlink()
    (tmp_path / "moved/test/n17.mp4").unlink()
    assert len(make_plan(moved).orphaned) == 3, "it is written down that both are one"
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    assert len(make_plan(finished | {"videos": str(tmp_path / "link")}).present) == 1


def test_a_rearranged_tree_is_the_same_if_the_user_says_so(finished, tmp_path):
    (tmp_path / "videos/test").rename(tmp_path / "inner")
    config = finished | {"videos": str(tmp_path / "inner")}
    with pytest.raises(UserError, match="another_tree=same"):
        make_plan(config)
    plan = make_plan(config | {"another_tree": "same"})
    assert set(plan.waiting) == {f"{name}.mp4" for name in ("a", "b", "long", "n17")} and not plan.pending
    plan.write()
    assert len(make_plan(config).waiting) == 4


def test_a_folder_that_is_not_mounted_loses_nothing_to_copies_elsewhere(finished, tmp_path):
    (tmp_path / "videos/train").mkdir()
    shutil.copy(tmp_path / "videos/test/a.mp4", tmp_path / "videos/train/copy.mp4")
    shutil.rmtree(tmp_path / "videos/test")
    (tmp_path / "videos/test").mkdir()
    plan = make_plan(finished)
    assert (plan.waiting, list(plan.pending)) == ({}, ["train/copy.mp4"])
    assert len(plan.orphaned) == 4


def test_a_folder_at_the_top_that_was_renamed_takes_its_features_along(finished, tmp_path):
    (tmp_path / "videos/test").rename(tmp_path / "videos/testing")
    plan = make_plan(finished)
    assert len(plan.waiting) == 4 and not plan.pending and not plan.orphaned


def test_features_that_were_all_deleted_are_nobodys(finished, tmp_path):
    shutil.rmtree(tmp_path / "features/test")
    assert make_plan(finished | {"videos": other_tree(tmp_path)}).pending


@pytest.mark.parametrize("content", [b"", b"[[1]]", b"{", b"[" * 10_000])
def test_damaged_names_are_written_anew(finished, content):
    work = WorkFolder.beside(finished["features"])
    work.trees.write_bytes(content)
    plan = make_plan(finished)
    assert len(plan.present) == 4
    plan.write()
    assert msgspec.json.decode(work.trees.read_bytes()) == [[finished["videos"]]]


def test_files_that_are_not_ours_are_set_aside_before_features_take_their_place(finished, tmp_path):
    """The features of another program, say, in the very tree; and one of ours that somebody has changed."""
    features = tmp_path / "features"
    theirs = {"test/a.npy": b"changed", "test/b.npy": b"theirs"}
    for name, content in theirs.items():
        (features / name).write_bytes(content)
    finished["normalization"] = "kinetics"
    plan = make_plan(finished)
    assert plan.strangers == sorted(theirs) and len(plan.pending) == 4
    before = snapshot(features / "test")
    plan.set_strangers_aside()
    assert {name: (plan.work.set_aside / name).read_bytes() for name in theirs} == theirs
    assert lost(before, snapshot(features / "test")) == {str(features / name) for name in theirs}
    (features / "test/a.npy").write_bytes(b"once more")
    make_plan(finished).set_strangers_aside()
    kept = sorted(path.read_bytes() for path in plan.work.set_aside.rglob("a.npy*"))
    assert kept == [b"changed", b"once more"]
    (tmp_path / "elsewhere.npy").write_bytes(b"linked")
    (features / "test/a.npy").symlink_to("../../elsewhere.npy")
    make_plan(finished).set_strangers_aside()
    assert (plan.work.set_aside / "test/a.npy").read_bytes() == b"linked"
