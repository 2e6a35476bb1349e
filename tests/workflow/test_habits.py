"""What people know of Snakemake does here what they expect; the table of docs/questions.md, on a finished tree."""

import shutil

import pytest

from tests.support.workflow import CLIPS, Workflow

pytestmark = pytest.mark.workflow

ALL = {video.replace(".mp4", ".npy") for video in CLIPS}
STAGES = ("decode", "extract", "feature", "aggregate")
A, B, C = "test/normal/a.npy", "test/normal/b.npy", "train_val/anomaly/c.npy"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A finished tree, which each test leaves complete; what Snakemake shows before the run is in `shown`."""
    made = Workflow(tmp_path_factory.mktemp("habits") / "run")
    made.shown = [made.run("--rulegraph"), made.run("--summary")]
    made.run(cores=2)
    return made


def inodes(workflow: Workflow) -> dict[str, int]:
    """What a file keeps when it is left alone, and not when it is made again."""
    return {name: workflow.feature(name).stat().st_ino for name in workflow.features()}


def test_forced_rules_make_all_features_anew(finished):
    assert finished.planned() == set()
    for options in (("-F",), ("-R", "decode"), ("-R", "extract")):
        assert finished.planned(*options) == ALL


def test_a_forced_feature_alone_is_made_anew(finished):
    features, before = finished.features(), inodes(finished)
    assert finished.planned("-R", f"features/{C}") == {C}
    finished.run("-f", f"features/{C}", cores=2)
    after = inodes(finished)
    assert {name for name in ALL if after[name] != before[name]} == {C}
    assert finished.features() == features
    assert "Nothing to be done" in finished.run("-n")


def test_a_feature_asked_for_by_its_path_is_extracted_alone(finished):
    features = finished.features()
    for name in (A, B):
        finished.feature(name).unlink()
    finished.run(f"features/{B}", cores=2)
    assert ALL - finished.features().keys() == {A}
    rows = finished.metadata()
    assert rows.keys() == CLIPS.keys() - {"test/normal/a.mp4"} and {row["status"] for row in rows.values()} == {"ok"}
    finished.run(cores=2)
    assert finished.features() == features


def test_subsets_are_folders_globs_and_single_videos(finished):
    assert finished.planned("-F", subsets='["test/normal/b.mp4", "*/anomaly/c*"]') == {B, C}


def test_the_whole_workflow_is_shown_before_and_after_a_run(finished):
    before_graph, before_summary = finished.shown
    for graph in (before_graph, finished.run("--rulegraph")):
        assert all(f'label = "{stage}"' in graph for stage in STAGES)
    for summary in (before_summary, finished.run("--summary")):
        assert all(f"features/{name}\t" in summary for name in ALL)


def test_a_misspelt_target_is_named_in_a_sentence(finished):
    output = finished.run("list", ok=False)
    assert "error: there is no target list; `snakemake --config" in output and "--list` names the targets" in output
    assert "input functions" not in output


def test_notemp_keeps_the_frames(finished):
    frames = finished.work / "frames"
    assert not list(frames.glob("*.frames"))
    finished.run("--notemp", "-f", f"features/{C}")
    (kept,) = frames.glob("*.frames")
    assert kept.stat().st_size > 9 * 256 * 340 * 3
    shutil.rmtree(frames)


def test_a_moved_video_takes_its_feature_along_and_one_that_is_gone_leaves_an_orphan(finished):
    features, before = finished.features(), inodes(finished)
    source, target = finished.video("train_val/anomaly/c.mp4"), finished.video("train_val/normal/c2.mp4")
    target.parent.mkdir(parents=True)
    source.rename(target)
    output = finished.run("-n")
    assert "1 finished and only to be moved into place" in output
    for stage in ("decode", "extract"):
        shutil.rmtree(finished.folder / "logs" / stage, ignore_errors=True)
    finished.run()
    assert finished.features() == {name.replace(C, "train_val/normal/c2.npy"): data for name, data in features.items()}
    assert not finished.log("decode") and not finished.log("extract")
    rows = finished.metadata()
    assert "train_val/anomaly/c.mp4" not in rows
    assert (rows["train_val/normal/c2.mp4"]["status"], rows["train_val/normal/c2.mp4"]["label"]) == ("ok", "0")

    content = target.read_bytes()
    shutil.rmtree(target.parent)  # an empty folder could be where a disk is mounted
    assert "train_val/normal/c2.npy" in finished.run("-n")
    finished.run()
    assert finished.metadata()["train_val/normal/c2.mp4"]["status"] == "orphaned"
    assert finished.feature("train_val/normal/c2.npy").exists(), "only the target `orphaned` deletes it"
    finished.run("orphaned")
    assert finished.features().keys() == ALL - {C}
    assert "train_val/normal/c2.mp4" not in finished.metadata()

    source.write_bytes(content)
    finished.run()
    assert (
        finished.features() == features
        and inodes(finished).items() >= {name: before[name] for name in ALL - {A, B, C}}.items()
    )
