"""A features tree that belongs to somebody else, wholly or in part: what a user may do there, and what is said else."""

import os
import shutil

import pytest

from i3d.errors import UserError
from i3d.files import share_with_group
from i3d.planning.overview import status_text
from i3d.planning.permissions import check_working_folder, check_writable, may_write
from i3d.records.work_folder import WorkFolder
from tests.support.plans import finish, make_plan
from tests.support.users import ALICE, BOB, GROUP, as_user, needs_root, open_folder


@pytest.fixture
def tmp_path():
    with open_folder() as folder:
        yield folder


@pytest.fixture
def ours(config, tmp_path):
    """The configuration of Alice's finished tree, in a folder that her group may write; one video is still to do."""
    make_plan(config)  # reads the modules that others may not be able to read

    def work() -> None:
        share_with_group(WorkFolder.beside(config["features"]).features)
        plan = make_plan(config)
        plan.write()
        for video in list(plan.pending)[1:]:
            finish(plan, video)

    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, ALICE, GROUP)
    shared.chmod(0o2775)
    config["features"] = str(shared / "features")
    return config, work


def tree_of(config) -> WorkFolder:
    return WorkFolder.beside(config["features"])


@needs_root
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_the_group_goes_on_whatever_the_umask(ours, umask):
    config, work = ours
    assert as_user(ALICE, umask, work) == ""
    assert as_user(BOB, 0o077, lambda: check_writable(tree_of(config))) == ""
    assert as_user(BOB, 0o077, work) == "", "and Bob's work"
    assert as_user(ALICE, umask, lambda: check_writable(tree_of(config))) == "", "is Alice's too"
    assert {path.stat().st_mode & 0o060 for path in tree_of(config).features.rglob("*")} == {0o060}


@needs_root
def test_records_that_cannot_be_read_are_an_error(ours):
    config, work = ours
    as_user(ALICE, 0o022, work)
    journals = tree_of(config).journals
    journal = next(journals.iterdir())
    for path in (journal, journals, tree_of(config).root, tree_of(config).features):
        mode = path.stat().st_mode
        path.chmod(0o700 if path.is_dir() else 0o600)
        said = as_user(BOB, 0o022, lambda: make_plan(config))
        assert said.partition(": ")[0 if path == journal else 2].startswith(str(path)), said
        assert f"chmod -R g+rwX {tree_of(config).features}" in said
        path.chmod(mode)
    assert as_user(BOB, 0o022, lambda: make_plan(config)) == ""


@needs_root
def test_features_that_cannot_be_read_are_an_error(ours):
    """They would be called somebody else's, set aside, and made again."""
    config, work = ours
    as_user(ALICE, 0o022, work)
    folder = tree_of(config).features / "test"
    for path in (folder / "b.npy", folder):
        mode = path.stat().st_mode
        path.chmod(0o700 if path.is_dir() else 0o600)
        said = as_user(BOB, 0o022, lambda: make_plan(config))
        assert said.startswith(f"features: {path} is ") and f"chmod -R g+rwX {tree_of(config).features}" in said
        path.chmod(mode)
    assert as_user(BOB, 0o022, lambda: make_plan(config)) == ""


@needs_root
def test_videos_in_a_folder_that_must_not_be_entered_are_not_gone(ours, tmp_path):
    config, work = ours
    as_user(ALICE, 0o022, work)
    (tmp_path / "videos/test").chmod(0o700)

    def plan() -> None:
        made = make_plan(config)
        assert "Permission denied" in (made.skipped["test"].reason or "")
        kept = {video: record.status for video, record in made.elsewhere.items() if record.status != "skipped"}
        assert kept == {f"test/{name}.mp4": "ok" for name in ("b", "long", "n17")}

    assert as_user(BOB, 0o022, plan) == ""


@needs_root
def test_a_folder_of_features_that_must_not_be_entered_costs_its_videos_alone(ours, tmp_path):
    config, _ = ours
    shutil.copytree(tmp_path / "videos/test", tmp_path / "videos/new")
    (tree_of(config).features / "new").mkdir(parents=True, mode=0o700)

    def plan() -> None:
        made = make_plan(config)
        reason = f"you may not enter {tree_of(config).features}/new, where its feature file would be"
        assert reason in (made.skipped["new/a.mp4"].reason or "") and "test/a.mp4" in made.pending

    assert as_user(BOB, 0o022, plan) == ""


@needs_root
@pytest.mark.parametrize(
    "name", ["", ".i3d", ".i3d/journals", ".i3d/bundles", ".i3d/lock", "metadata.csv", "test/b.npy"]
)
def test_what_cannot_be_written_is_named_with_the_command_that_helps(ours, name):
    config, work = ours
    as_user(ALICE, 0o022, work)
    path = tree_of(config).features / name
    if not path.exists():
        path.touch()
        os.chown(path, ALICE, GROUP)
    path.chmod(0o755 if path.is_dir() else 0o644)

    def check() -> None:
        again = make_plan(config, again=None)  # what is replaced, is written too
        check_writable(again.work, again.replaced.values())

    said = as_user(BOB, 0o022, check)
    assert said.startswith(f"features: {path} is user {ALICE}'s, and you may not use it; let user {ALICE} run `chmod")


@needs_root
def test_a_folder_above_that_must_not_be_entered(ours, tmp_path):
    config, _ = ours
    (tmp_path / "private").mkdir(mode=0o700)
    config["features"] = str(tmp_path / "private/features")
    config["calibration"] = str(tmp_path / "private/calibration.json")

    def plan() -> None:
        may_write(tree_of(config))
        make_plan(config)

    assert as_user(BOB, 0o022, plan).startswith(f"features: you may not enter a folder above {tmp_path}/private/")
    config["features"] = str(tmp_path / "features")
    assert as_user(BOB, 0o022, plan) == ""


@needs_root
def test_a_working_folder_that_only_others_write(tmp_path):
    """Snakemake makes its `.snakemake` there, or another's is there already."""
    for folder, named in ((tmp_path / "new", "new"), (tmp_path / "used", "used/.snakemake/log")):
        (folder / ".snakemake/log").mkdir(parents=True) if folder.name == "used" else folder.mkdir()
        for path in (folder, folder / ".snakemake"):
            if path.exists() and folder.name == "used":
                path.chmod(0o777)
        said = as_user(BOB, 0o022, lambda folder=folder: check_working_folder(folder))
        assert said.startswith(f"{tmp_path / named}: you may not write here, ") and "--directory" in said
    (tmp_path / "used/.snakemake/log").chmod(0o777)
    assert as_user(BOB, 0o022, lambda: check_working_folder(tmp_path / "used")) == ""


@needs_root
def test_a_tree_that_only_others_write_can_be_planned(ours):
    config, work = ours
    as_user(ALICE, 0o022, work)
    for path in (tree_of(config).features, *tree_of(config).features.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)
    tree_of(config).catalog.unlink()  # so that there is something new to write down

    def plan() -> None:
        made = make_plan(config)
        assert not may_write(made.work)
        assert "6: 3 present, 1 to extract" in status_text(made, "")

    assert as_user(BOB, 0o022, plan) == ""


def test_ones_own_tree_without_the_right_to_write(config, tmp_path, monkeypatch):
    plan = make_plan(config)
    plan.write()
    monkeypatch.setattr("i3d.planning.permissions.is_writable", lambda folder: folder != plan.work.root)
    with pytest.raises(UserError, match=rf"{plan.work.root} is yours, .*chmod -R u\+rwX {plan.work.features}"):
        check_writable(plan.work)


def test_a_features_tree_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="features: cannot make the folder"):
        check_writable(WorkFolder.beside(tmp_path / "file" / "features"))
