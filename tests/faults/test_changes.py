"""Files that change under the workflow's hands."""

import numpy as np
import pytest

from i3d.records.bundles import read_bundle
from tests.support.workflow import CLIPS, Workflow, wait_until, write_clip

pytestmark = pytest.mark.faults

CHANGED = "the video was changed during the run; the next run takes it as it is then"
GONE = "the video can no longer be read (No such file or directory)"


def test_videos_replaced_and_deleted_after_planning(tmp_path, undisturbed):
    """One bundle is at work; the others are planned and not begun."""
    workflow = Workflow(tmp_path / "run", {}, bundle_frames=1)
    for seed, name in enumerate(list(CLIPS)[:3]):
        write_clip(workflow.video(name), CLIPS[name], seed)
    run = workflow.start("--keep-going")
    assert wait_until(lambda: workflow.processes("decode"), lambda: run.going)
    (log,) = (workflow.folder / "logs/decode").iterdir()
    (begun,) = read_bundle(workflow.work / f"bundles/{log.stem}.json").videos
    replaced, deleted = (name for name in list(CLIPS)[:3] if name != begun.video)
    write_clip(workflow.video(replaced), 26, seed=77)
    workflow.video(deleted).unlink()
    code, output = run.end()
    assert code != 0
    for video, reason in ((replaced, CHANGED), (deleted, GONE)):
        assert f"{video}: failed: {reason}" in output
        assert workflow.metadata()[video]["reason"] == reason
    kept = {begun.feature: undisturbed.features[begun.feature]}
    assert workflow.features() == kept

    again = replaced.replace(".mp4", ".npy")
    assert workflow.planned() == {again}
    workflow.run()
    assert workflow.features().items() > kept.items()
    assert np.load(workflow.feature(again)).shape == (3, 1, 2048)
    assert deleted not in workflow.metadata()


def test_files_that_are_no_features_of_ours_are_made_again(workflow, undisturbed):
    names = sorted(undisturbed.features)
    right = {name: workflow.feature(name) for name in names}
    early = right[names[0]]
    early.parent.mkdir(parents=True)
    early.write_bytes(bytes(len(undisturbed.features[names[0]])))
    assert workflow.planned() == set(names), "a file without a record is not trusted"
    workflow.run()
    assert workflow.features() == undisturbed.features

    noise, zeros, cut, empty, kept = names
    np.save(right[noise], np.random.default_rng(0).normal(size=(2, 1, 2048)).astype(np.float32))
    right[zeros].write_bytes(bytes(len(undisturbed.features[zeros])))
    right[cut].write_bytes(undisturbed.features[cut][:-1])
    right[empty].write_bytes(b"")
    assert workflow.planned() == set(names) - {kept}
    workflow.run()
    assert workflow.features() == undisturbed.features


def test_all_features_of_a_bundle_deleted_after_a_complete_run(workflow, undisturbed):
    """The bundle is the same as before, and Snakemake would trust its old mark."""
    workflow.run()
    for name in undisturbed.features:
        workflow.feature(name).unlink()
    workflow.run()
    assert workflow.features() == undisturbed.features
    assert set(workflow.metadata()) == set(CLIPS)


def test_a_damaged_record_of_the_run_is_mended(workflow, undisturbed):
    """All that the work folder and the tables hold, cut off in the middle."""
    workflow.run()
    for path in [*workflow.work.rglob("*"), workflow.feature("feature_config.txt"), workflow.feature("metadata.csv")]:
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    workflow.run()
    assert workflow.features() == undisturbed.features
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}
    assert len(workflow.runs()) == 1
    assert workflow.feature("feature_config.txt.damaged").exists()
    assert "Nothing to be done" in workflow.run("-n")
