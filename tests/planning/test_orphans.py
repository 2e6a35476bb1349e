"""Features whose video is gone are deleted when asked for, named before, and nothing else is."""

import shutil
import sys

import pytest

from i3d.errors import UserError
from i3d.planning.overview import status_text
from i3d.records.record import OK, ORPHANED
from i3d.results.metadata import read_metadata
from scripts import aggregate, orphaned
from tests.support.bystanders import lost, plant, snapshot
from tests.support.plans import finish, make_plan, move


@pytest.fixture
def finished(config, tmp_path):
    """The configuration of a tree with four features and their tables."""
    (tmp_path / "videos/train").mkdir()
    shutil.copy(tmp_path / "videos/test/long.mp4", tmp_path / "videos/train/long.mp4")
    plan = make_plan(config)
    plan.write()
    for video in plan.pending:
        finish(plan, video)
    plant(tmp_path / "features/test", tmp_path / "videos/test")
    write_tables(config)
    return config


def call(program, config, *more: str) -> None:
    plan = make_plan(config)
    plan.write()
    sys.argv = [program.__name__, "--plan", str(plan.path), *more]
    program.main()


def write_tables(config) -> None:
    call(aggregate, config)


def rows(tmp_path):
    return (tmp_path / "features/metadata.csv").read_text().splitlines()


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"video," + b"x" * 200_000])
def test_where_the_table_cannot_be_mended_nothing_is_deleted(finished, tmp_path, damage):
    (tmp_path / "videos/test/a.mp4").unlink()
    (tmp_path / "features/metadata.csv").write_bytes(damage)
    before = snapshot(tmp_path / "features/test")
    with pytest.raises(UserError, match=r"metadata\.csv: not a readable table .*let the workflow write it again"):
        call(orphaned, finished)
    assert lost(before, snapshot(tmp_path / "features/test")) == set()


def test_an_orphan_is_named_and_deleted_and_all_else_stays(finished, tmp_path, capsys):
    (tmp_path / "videos/test/a.mp4").unlink()
    write_tables(finished)
    before, table = snapshot(tmp_path), rows(tmp_path)
    (orphan,) = (row for row in read_metadata(tmp_path / "features/metadata.csv") if row.status == ORPHANED)
    call(orphaned, finished)
    said = capsys.readouterr().out
    feature = tmp_path / "features/test/a.npy"
    assert said.index(f"orphaned: {feature}") < said.index(f"removed {feature}")
    allowed = {str(feature), *(path for path in before if "/.i3d/plans/" in path)}
    tables = {str(tmp_path / "features" / name) for name in ("metadata.csv", "feature_config.txt")}
    assert lost(before, snapshot(tmp_path)) - {str(tmp_path / "features/.i3d/catalog.json")} <= allowed | tables
    assert not feature.exists()
    assert rows(tmp_path) == [line for line in table if not line.startswith(f"{orphan.video},")]
    assert not make_plan(finished).is_due, "the tables say what is there"


def test_other_rows_stay_under_whatever_settings_it_is_called(finished, tmp_path):
    (tmp_path / "videos/test/a.mp4").unlink()
    write_tables(finished)
    table = rows(tmp_path)
    call(orphaned, finished | {"normalization": "kinetics"})
    assert rows(tmp_path) == [line for line in table if not line.startswith("test/a.mp4,")]
    assert {row.status for row in read_metadata(tmp_path / "features/metadata.csv") if row.snippets} <= {OK}


def test_most_videos_gone_is_refused_unless_confirmed(finished, tmp_path):
    for name in ("a", "b", "n17"):
        (tmp_path / f"videos/test/{name}.mp4").unlink()
    before = snapshot(tmp_path / "features/test", tmp_path / "features/train")
    with pytest.raises(UserError, match=r"orphaned: 3 features would be removed, and only 2 would stay; .*=all"):
        call(orphaned, finished)
    assert snapshot(tmp_path / "features/test", tmp_path / "features/train") == before
    call(orphaned, finished, "--all")
    assert len(lost(before, snapshot(tmp_path / "features/test", tmp_path / "features/train"))) == 3


@pytest.mark.parametrize("folder", ["train", "test/nested"])
@pytest.mark.parametrize("leave_folder", [False, True])
def test_a_top_folder_that_is_gone_or_any_that_is_empty_is_refused(finished, tmp_path, folder, leave_folder):
    """As the place is where a disk is mounted."""
    if folder != "train":
        (tmp_path / "videos/test/nested").mkdir()
        (tmp_path / "videos/train/long.mp4").rename(tmp_path / "videos/test/nested/long.mp4")
        plan = make_plan(finished)
        plan.stage_moved()
        move(plan, "test/nested/long.mp4")
    (tmp_path / "videos" / folder / "long.mp4").unlink()
    if not leave_folder:
        (tmp_path / "videos" / folder).rmdir()
    feature = tmp_path / "features" / folder / "long.npy"
    if folder == "train" or leave_folder:
        with pytest.raises(UserError, match=rf"orphaned: .*videos/{folder} is gone or empty.*disk is not mounted"):
            call(orphaned, finished)
        assert feature.exists()
        call(orphaned, finished, "--all")
    else:
        call(orphaned, finished)
    assert not feature.exists()


def test_videos_behind_a_link_to_nothing_are_not_gone(finished, tmp_path):
    (tmp_path / "videos/train").rename(tmp_path / "disk")
    (tmp_path / "videos/train").symlink_to(tmp_path / "disk")
    write_tables(finished)
    table = rows(tmp_path)
    (tmp_path / "disk").rename(tmp_path / "not mounted")
    assert (make_plan(finished).orphaned, make_plan(finished).due) == ({}, [])
    write_tables(finished)
    assert set(table) < set(rows(tmp_path)), "the video's row is as it was"
    reasons = {row.video: row.reason for row in read_metadata(tmp_path / "features/metadata.csv")}
    assert reasons["train"] == "unreadable: a link to nothing" and reasons["train/long.mp4"] is None
    call(orphaned, finished, "--all")
    assert (tmp_path / "features/train/long.npy").exists()
    (tmp_path / "videos/train").unlink()
    assert list(make_plan(finished).orphaned) == ["train/long.mp4"]


def test_videos_that_were_behind_a_link_and_are_elsewhere_now_were_moved(finished, tmp_path):
    (tmp_path / "videos/train").rename(tmp_path / "disk")
    (tmp_path / "videos/train").symlink_to(tmp_path / "disk")
    (tmp_path / "disk").rename(tmp_path / "videos/train_val")
    plan = make_plan(finished)
    assert (list(plan.waiting), plan.pending, plan.orphaned) == (["train_val/long.mp4"], {}, {})
    assert "train/long.mp4" not in plan.elsewhere


def test_a_file_that_is_no_longer_the_recorded_one_or_lies_beyond_a_link_stays(finished, tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / f"videos/test/{name}.mp4").unlink()
    plan = make_plan(finished)
    plan.write()
    features = tmp_path / "features/test"
    (features / "a.npy").write_bytes(b"edited since")
    (features / "b.npy").rename(tmp_path / "b.npy")
    (features / "b.npy").symlink_to(tmp_path / "b.npy")
    before = snapshot(tmp_path)
    sys.argv = ["orphaned.py", "--plan", str(plan.path)]
    orphaned.main()
    said = capsys.readouterr().out
    assert "a.npy: it is no longer the file that was recorded" in said and "b.npy: a link leads out" in said
    assert lost(before, snapshot(tmp_path)) == set()


def test_a_table_that_is_not_ours_is_kept(config, tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features/metadata.csv").write_text("name,class\nx,1\n")
    (tmp_path / "features/metadata.csv.damaged").write_text("earlier")
    write_tables(config)
    assert (tmp_path / "features/metadata.csv.damaged.1").read_text() == "name,class\nx,1\n"
    assert (tmp_path / "features/metadata.csv.damaged").read_text() == "earlier"
    assert read_metadata(tmp_path / "features/metadata.csv")


def test_the_feature_of_a_video_that_is_skipped_by_now_is_removed_and_its_row_stays(finished, tmp_path, capsys):
    shutil.copy(tmp_path / "videos/test/short.mp4", tmp_path / "videos/test/a.mp4")
    write_tables(finished)
    table, feature = rows(tmp_path), tmp_path / "features/test/a.npy"
    assert feature.exists()
    before = snapshot(tmp_path / "features/test", tmp_path / "features/train", tmp_path / "videos")
    call(orphaned, finished)
    assert f"stale: {feature}\n" in capsys.readouterr().out
    after = snapshot(tmp_path / "features/test", tmp_path / "features/train", tmp_path / "videos")
    assert lost(before, after) == {str(feature)}
    assert rows(tmp_path) == table and any("test/a.mp4," in line and "too short" in line for line in table)
    assert not make_plan(finished).stale and not make_plan(finished).is_due


def test_no_row_names_a_feature_that_was_removed_before_the_tables_were_written(finished, tmp_path):
    shutil.copy(tmp_path / "videos/test/short.mp4", tmp_path / "videos/test/a.mp4")
    call(orphaned, finished)
    assert not (tmp_path / "features/test/a.npy").exists()
    assert not any("test/a.npy" in line for line in rows(tmp_path))


def test_a_feature_of_other_settings_stays_though_its_video_is_skipped_under_these(finished, tmp_path, capsys):
    other = finished | {"clip_length": 48}
    before = snapshot(tmp_path / "features/test", tmp_path / "features/train", tmp_path / "features/metadata.csv")
    assert f"stale     {len(make_plan(other).stale)} features of other settings, which `snakemake" in status_text(
        make_plan(other), ""
    )
    call(orphaned, other)
    said = capsys.readouterr().out
    assert (
        "a.npy: made under other settings; `snakemake --config orphaned=other_settings --cores 1 orphaned` removes it"
        in said
    )
    after = snapshot(tmp_path / "features/test", tmp_path / "features/train", tmp_path / "features/metadata.csv")
    assert lost(before, after) == set()
    assert not make_plan(finished).due
    stale = make_plan(other).stale
    (tmp_path / "videos/train/long.mp4").rename(tmp_path / "long.mp4")
    with pytest.raises(UserError, match="disk is not mounted"):
        call(orphaned, other, "--other-settings")
    (tmp_path / "long.mp4").rename(tmp_path / "videos/train/long.mp4")
    call(orphaned, other, "--other-settings")
    assert len(stale) > 1 and not make_plan(other).stale and list(make_plan(finished).due) == sorted(stale)
