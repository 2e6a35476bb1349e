"""Whatever deletes or replaces files here leaves every other file as it was: all are counted, before and after."""

import shutil

import numpy as np
import pytest

from i3d.records.tree_lock import take_lock
from tests.support.bystanders import lost, plant, snapshot
from tests.support.workflow import Workflow, write_clip

pytestmark = pytest.mark.workflow
CLIPS = {
    "test/anomaly/a.mp4": 20,
    "test/normal/b.mp4": 20,
    "train_val/anomaly/c.mp4": 20,
    "train_val/normal/d.mp4": 20,
}
TABLES = ("features/metadata.csv", "features/feature_config.txt")
TRAINERS = "dataset/lists/trainers.txt"
OURS = ("/.i3d/", "/.snakemake/", "/logs/", "/output.")  # folders of the workflow's own


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A finished tree with all exports, and files of somebody else's wherever files may lie."""
    project = Workflow(tmp_path_factory.mktemp("users_files"), CLIPS)
    project.run()
    project.run("lists", "ur_dmu", "tevad_s3r")
    for tree in ("videos", "features", "dataset/crops", "dataset/lists", "dataset/lists/i3d"):
        folders = [path for path in (project.folder / tree).rglob("*") if path.is_dir() and ".i3d" not in path.parts]
        plant(project.folder / tree, *(path for path in folders if ".written" not in path.parts))
    plant(project.folder, project.folder / "resources")
    return project


@pytest.fixture
def project(finished, tmp_path) -> Workflow:
    """A copy of it."""
    shutil.copytree(finished.folder, tmp_path / "run", symlinks=True)
    return Workflow(tmp_path / "run", {}, existing=True)


class Counted:
    """Which files a call takes away or changes, beside those in folders of the workflow's own."""

    def __init__(self, project: Workflow) -> None:
        self.folder = project.folder
        self.before = snapshot(project.folder)

    def lost(self) -> set[str]:
        gone = lost(self.before, snapshot(self.folder))
        return {path.removeprefix(f"{self.folder}/") for path in gone if not any(own in path for own in OURS)}


def test_everything_forced(project):
    counted = Counted(project)
    project.run("-F", frequency=4)
    assert counted.lost() == {*TABLES, *(f"features/{name[:-3]}npy" for name in CLIPS)}


def test_an_orphan(project):
    project.video("test/anomaly/a.mp4").unlink()
    counted = Counted(project)
    output = project.run("orphaned")
    assert "orphaned: features/test/anomaly/a.npy" in output
    assert counted.lost() == {"features/metadata.csv", "features/test/anomaly/a.npy"}
    assert not project.feature("test/anomaly/a.npy").exists()


def test_a_disk_that_is_not_mounted(project):
    (project.folder / "videos/train_val").rename(project.folder / "unmounted")
    (project.folder / "videos/train_val").mkdir()
    counted = Counted(project)
    output = project.run("orphaned", ok=False)
    assert "error: orphaned: videos/train_val is gone or empty" in output
    assert counted.lost() == set()


def test_a_moved_video(project):
    (project.folder / "videos/test/abnormal").mkdir()
    project.video("test/anomaly/a.mp4").rename(project.video("test/abnormal/a2.mp4"))
    content = project.feature("test/anomaly/a.npy").read_bytes()
    counted = Counted(project)
    project.run()
    assert counted.lost() == {*TABLES, "features/test/anomaly/a.npy"}
    assert project.feature("test/abnormal/a2.npy").read_bytes() == content


def test_a_video_that_moved_to_the_place_of_another_that_moved(project):
    a, b, free = (project.video(f"test/{name}.mp4") for name in ("anomaly/a", "normal/b", "free"))
    contents = [project.feature(f"test/{name}.npy").read_bytes() for name in ("anomaly/a", "normal/b")]
    for source, target in ((a, free), (b, a), (free, b)):
        source.rename(target)
    counted = Counted(project)
    output = project.run()
    assert "0 features in" in output and "2 more moved into place" in output
    assert counted.lost() == {*TABLES, "features/test/anomaly/a.npy", "features/test/normal/b.npy"}
    assert [project.feature(f"test/{name}.npy").read_bytes() for name in ("normal/b", "anomaly/a")] == contents
    assert "Nothing to be done" in project.run("-n")


def test_files_in_the_place_of_features(project):
    np.save(project.feature("test/anomaly/a.npy"), np.ones(3))
    theirs = project.feature("test/anomaly/a.npy").read_bytes()
    counted = Counted(project)
    assert "set aside 1 file in the place of features" in project.run("-n")
    assert counted.lost() == set()
    project.run()
    assert counted.lost() == {*TABLES, "features/test/anomaly/a.npy"}
    assert (project.work / "set_aside/test/anomaly/a.npy").read_bytes() == theirs


def test_other_videos_on_the_same_features(project):
    write_clip(project.folder / "other/test/anomaly/a.mp4", 20, seed=50)
    shutil.copy(project.video("test/normal/b.mp4"), project.folder / "other/test/b2.mp4")
    counted = Counted(project)
    project.run("-n", videos="other", another_tree="same")
    output = project.run(ok=False, videos="other")  # a dry run decides nothing
    assert "holds features of the videos in " in output and f", not of those in {project.folder}/other" in output
    assert counted.lost() == set()
    (project.folder / "other/test/anomaly/a.mp4").rename(project.folder / "other/test/anomaly/new.mp4")
    project.run(videos="other", another_tree="add")
    assert counted.lost() == {*TABLES, "other/test/anomaly/a.mp4"}
    assert {"test/anomaly/new.mp4", "test/b2.mp4", *CLIPS} == set(project.metadata())


def test_exports_in_the_place_of_others(project):
    counted = Counted(project)
    output = project.run("ur_dmu", "tevad_s3r", ok=False, crops="{folder: videos}")
    assert "error: crops: the folder" in output
    assert "Traceback" not in output and counted.lost() == set()


def test_exports_again_and_with_fewer_files(project):
    """The tree is a copy, whose lists name the places that it was copied from."""
    (project.folder / "dataset/crops/test.csv").write_text("mine\n")
    counted = Counted(project)
    project.run("ur_dmu", "tevad_s3r", "lists", crops="{order: tencrop}")
    lists = {str(path.relative_to(project.folder)) for path in project.folder.glob("dataset/**/*.list")}
    lists |= {f"dataset/crops/{split}.json" for split in ("test", "train_val")}  # which say the order of crops
    assert counted.lost() <= lists | {path for path in counted.lost() if "/.written/" in path} | {TRAINERS}
    project.video("test/normal/b.mp4").unlink()
    project.run()
    counted = Counted(project)
    project.run("ur_dmu", "tevad_s3r", "lists")
    gone = {path for path in counted.lost() if not (project.folder / path).exists()}
    assert gone == {"dataset/crops/test/normal/Normal_b__0.npy", "dataset/lists/i3d/test/normal__b_i3d.npy"}
    assert all(path.startswith("dataset/") for path in counted.lost())
    output = project.run("vadclip", ok=False)
    assert "dataset/crops/test.csv: not written by this workflow" in output
    assert (project.folder / "dataset/crops/test.csv").read_text() == "mine\n"


def test_all_output_deleted(project):
    counted, features = Counted(project), project.features()
    project.run("--delete-all-output")
    assert counted.lost() == {*TABLES, *(f"features/{name[:-3]}npy" for name in CLIPS)}
    project.run()
    assert project.features() == features


@pytest.mark.parametrize("option", ["--no-hooks", "--all-temp", "--omit-flags update", "--cache feature"])
def test_options_that_would_lose_files_are_refused(project, option):
    np.save(project.feature("test/anomaly/a.npy"), np.ones(3))
    counted = Counted(project)
    output = project.run(*option.split(), "-F", ok=False)
    assert f"error: {option.split()[0]} is not supported: " in output
    assert counted.lost() == set()


def test_all_output_deleted_beside_files_of_others(project):
    """One in the place of a feature, and one in that of a table."""
    np.save(project.feature("test/anomaly/a.npy"), np.ones(3))
    counted = Counted(project)
    project.run("--delete-all-output")
    assert counted.lost() == {*TABLES, *(f"features/{name[:-3]}npy" for name in CLIPS)} - {
        "features/test/anomaly/a.npy"
    }
    project.feature("metadata.csv").write_text("name,class\n")
    counted = Counted(project)
    for targets in ((), ("features/metadata.csv",)):
        output = project.run("--delete-all-output", *targets, ok=False)
        assert output.rstrip().endswith(
            "error: features/metadata.csv: not written by this workflow; move it away first"
        )
    assert "aggregate" in project.run("--rulegraph"), "to show is not to delete"
    output = project.run("--delete-all-output", "features/test/anomaly/a.npy", ok=False)
    assert "a.npy: not written by this workflow; move it away first" in output
    assert counted.lost() == set()


def test_nothing_is_deleted_beside_another_run(project):
    counted = Counted(project)
    with take_lock(project.work / "lock"):
        output = project.run("--delete-all-output", ok=False)
    assert "is locked by" in output and counted.lost() == set()


def test_times_alone_are_touched(project):
    """Nothing is moved, no table is written anew, and no run is said to have been."""
    write_clip(project.video("test/normal/new.mp4"), 20, seed=9)
    project.video("test/anomaly/a.mp4").rename(project.video("test/normal/a.mp4"))
    counted = Counted(project)
    output = project.run("--touch")
    assert counted.lost() == set() and "done  " not in output
    assert project.feature("test/anomaly/a.npy").exists() and not project.feature("test/normal/a.npy").exists()


def test_weights_that_are_there_already(project):
    weights = project.folder / "resources/i3d_r50_kinetics.pth"
    weights.write_bytes(b"my own")
    counted = Counted(project)
    assert "resources/i3d_r50_kinetics.pth is there already" in project.run("weights")
    assert counted.lost() == set()
