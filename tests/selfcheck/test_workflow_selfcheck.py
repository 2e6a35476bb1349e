"""`snakemake selfcheck` as a user calls it, and what runs make of its result."""

import time

import msgspec
import pytest

import make_demo_videos
from i3d.selfcheck import calibration
from i3d.selfcheck.machine import cpu_model
from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow


def test_the_self_check_reports_and_later_runs_refuse_what_failed(tmp_path):
    workflow = Workflow(tmp_path, clips={}, device="cpu", clip_length=16, frequency=16)
    for name, (frames, speed) in make_demo_videos.CLIPS.items():
        make_demo_videos.write_clip(workflow.video(name), frames, speed)
    began = time.monotonic()
    output = workflow.run("selfcheck", cores=2)
    print(f"the self-check took {time.monotonic() - began:.0f} s")
    for words in (cpu_model(), "right, error", "320x240 mpeg4", "frames a second", f"for {cpu_model()}."):
        assert words in output
    path = tmp_path / "resources/calibration.json"
    (entry,) = calibration.read(path)
    assert "fp32" in entry.passed and entry.cpus == 2 and entry.sample_mode == "center_crop"

    spoilt = msgspec.structs.replace(entry, failed={"fp32": "error 3.0e-02"}, passed=())
    calibration.save(path, spoilt)
    workflow.run("features/train_val/non_anomaly/calm.npy", cores=2, ok=False)
    assert "precision: fp32 failed the self-check" in workflow.log("extract")

    calibration.save(path, entry)
    workflow.run("features/train_val/non_anomaly/calm.npy", cores=2)
    assert set(workflow.features()) == {"train_val/non_anomaly/calm.npy"}
