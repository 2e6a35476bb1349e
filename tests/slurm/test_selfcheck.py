"""The self-check as a job of the Narval profile; on the CPU, since no GPU stands behind the slices here."""

import pytest

from i3d.cost import calibration
from tests.support.slurm_project import LONG, SlurmWorkflow
from tests.support.workflow import write_clip

pytestmark = pytest.mark.slurm


def test_the_self_check_is_one_job_on_the_production_slice(workflow: SlurmWorkflow):
    write_clip(workflow.video("train_val/anomaly/a.mp4"), LONG)
    output = workflow.run("selfcheck", "--set-threads", "measure_machine=2")
    (job,) = workflow.jobs()
    assert job["State"] == "COMPLETED" and job["Account"] == "def-test_gpu" and job["Timelimit"] == "00:30:00"
    assert set(job["AllocTRES"].split(",")) >= {"cpu=6", "mem=40G", "gres/gpu:a100_4g.20gb=1", "node=1"}
    assert "right, error" in output and "64x48 mpeg4" in output
    (entry,) = calibration.read(workflow.folder / "resources/calibration.json")
    assert entry.device == "a CPU of a job for a100_4g.20gb"
    assert "fp32" in entry.passed and entry.recommended is not None


def test_a_slice_without_a_gpu_is_told(workflow: SlurmWorkflow):
    """The profile's own `device: cuda`, and no GPU behind the slice."""
    write_clip(workflow.video("train_val/anomaly/a.mp4"), LONG)
    output = workflow.run("selfcheck", "--set-threads", "measure_machine=2", ok=False, device="cuda")
    assert len(workflow.jobs()) == 1, "it must not be tried again"
    assert "device: cuda is set, but torch sees no GPU here" in output
    assert not (workflow.folder / "resources/calibration.json").exists()
