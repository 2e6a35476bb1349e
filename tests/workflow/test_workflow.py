"""The workflow end to end, as a user runs it, on tiny clips, with seeded weights and the centre crop."""

import io
from pathlib import Path

import numpy as np
import pytest

from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Workflow:
    """A tree of four good clips, a short one and a broken one, after a first run. Tests leave it complete."""
    project = Workflow(tmp_path_factory.mktemp("project"), CLIPS, copied=True, clip_length=16, frequency=16)
    project.video("test/non_anomaly/broken.mp4").write_bytes(b"no video")
    project.output = project.run(cores=2)
    return project


CLIPS = {
    "train_val/anomaly/a.1.mp4": 40,
    "train_val/anomaly/a.2.mp4": 33,
    'train_val/non_anomaly/-it\'s $HOME "quoted" & #1 100% é.mp4': 32,
    "test/non_anomaly/SHOUT.MP4": 17,
    "test/non_anomaly/short.mp4": 16,
}
FEATURES = {
    "train_val/anomaly/a.1.npy": 2,
    "train_val/anomaly/a.2.npy": 2,
    'train_val/non_anomaly/-it\'s $HOME "quoted" & #1 100% é.npy': 2,
    "test/non_anomaly/SHOUT.npy": 1,
}


def test_features_mirror_the_videos(project):
    tree = project.feature("")
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and ".i3d" not in path.parts}
    assert found == {*FEATURES, "metadata.csv", "feature_config.txt"}
    for name, snippets in FEATURES.items():
        features = np.load(project.feature(name), allow_pickle=False)
        assert (features.shape, features.dtype) == ((snippets, 1, 2048), np.float32)
        assert np.isfinite(features).all() and features.std() > 0


def test_a_file_gets_few_lines(project):
    lines = project.output.splitlines()
    assert "\x1b" not in project.output and "━" not in project.output and "rule " not in project.output
    assert any(line.startswith("done      4 features in ") for line in lines) and len(lines) < 30


def test_the_tables_tell_all(project):
    rows = project.metadata()
    assert {video: row["status"] for video, row in rows.items()} == {
        **{f"{Path(name).with_suffix('')}.mp4".replace("SHOUT.mp4", "SHOUT.MP4"): "ok" for name in FEATURES},
        "test/non_anomaly/short.mp4": "skipped",
        "test/non_anomaly/broken.mp4": "skipped",
    }
    row = rows["train_val/anomaly/a.1.mp4"]
    assert (row["split"], row["category"], row["label"]) == ("train_val", "anomaly", "1")
    assert (row["snippets"], row["crops"], row["dim"], row["frames_decoded"]) == ("2", "1", "2048", "40")
    assert (row["weights_sha256"], row["model"], row["precision"], row["decoder"]) == (
        "random",
        "i3d_r50",
        "fp32",
        "pyav",
    )
    assert "torch=" in row["versions"]
    reason = "too short: 16 frames, a snippet needs more than 16"
    assert rows["test/non_anomaly/short.mp4"]["reason"] == reason
    run = project.runs()[0]
    assert (run["total_videos"], run["videos_skipped"], run["processed_videos"], run["failed_videos"]) == (6, 2, 4, 0)
    assert run["reasons"]["videos/test/non_anomaly/short.mp4"] == reason


def test_nothing_is_left_behind(project):
    work = project.feature(".i3d")
    left = {path.relative_to(work).parts[0] for path in work.rglob("*") if path.is_file()}
    assert left == {"catalog.json", "lock", "trees.json", "journals", "plans", "bundles", "extracted"}


def test_a_second_run_has_nothing_to_do(project):
    for arguments in ([], ["-n", "--rerun-triggers", "mtime"]):
        assert "Nothing to be done" in project.run(*arguments)
    assert len(project.runs()) == 1


def test_a_finished_feature_asked_for_by_name_is_left_alone(project):
    assert "Nothing to be done" in project.run("-n", "features/train_val/anomaly/a.1.npy")


def test_editing_a_script_or_a_rules_command_re_extracts_nothing(project):
    for name in ("scripts/extract.py", "i3d/network/engine.py"):
        path = project.folder / name
        path.write_text(path.read_text() + "\n# a comment\n")
    rule = project.folder / "rules/extract.smk"
    rule.write_text(rule.read_text().replace("--threads {threads}", "--threads  {threads}"))
    assert "Nothing to be done" in project.run("-n")


def test_a_deleted_feature_is_listed_alone_and_made_again_alike(project):
    path = project.feature("train_val/anomaly/a.2.npy")
    before = path.read_bytes()
    path.unlink()
    assert project.planned() == {"train_val/anomaly/a.2.npy"}
    project.run()
    assert path.read_bytes() == before
    assert "Nothing to be done" in project.run("-n")
    assert project.runs()[-1]["processed_videos"] == 1


def test_settings_that_fix_the_numbers_make_all_due(project):
    assert len(project.planned(precision="bf16")) >= len(FEATURES)
    assert len(project.planned(precision="bf16", subsets="[test]")) == 1


def test_frames_through_a_pipe_give_the_same_features(project):
    path = project.feature("train_val/anomaly/a.1.npy")
    before = path.read_bytes()
    path.unlink()
    project.run("--set-threads", "decode=1", "extract=1", cores=2, frames="pipe")
    expected = np.load(io.BytesIO(before))  # but for rounding: the number of threads is another
    np.testing.assert_allclose(np.load(path), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"videos": "nowhere"}, "videos: there is no folder nowhere"),
        ({"frequncy": "8"}, "did you mean 'frequency'"),
    ],
)
def test_what_the_user_must_mend_is_one_line_before_any_job(project, config, words):
    output = project.run(ok=False, **config)
    (told,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert words in told
    assert "Traceback" not in output and "Select jobs to execute" not in output
