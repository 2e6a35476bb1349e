"""The self-check as a job of the Narval profile; on the CPU, since no GPU stands behind the slices here."""

import pytest

from i3d.selfcheck import calibration
from tests.support.slurm_project import LONG, Project

pytestmark = pytest.mark.slurm


def test_the_self_check_is_one_job_on_the_production_slice(project: Project):
    project.clip("train_val/anomaly/a.mp4", LONG)
    code = project.snakemake("selfcheck", "--set-threads", "measure_machine=2", config=("device=cpu",))
    assert code == 0
    (job,) = project.jobs()
    assert job["State"] == "COMPLETED" and job["Account"] == "def-test_gpu" and job["Timelimit"] == "00:30:00"
    assert set(job["AllocTRES"].split(",")) >= {"cpu=6", "mem=40G", "gres/gpu:a100_4g.20gb=1", "node=1"}
    assert "right, error" in project.output and "320x240 mpeg4" in project.output
    (entry,) = calibration.read(project.folder / "resources/calibration.json")
    assert entry.device == "a CPU of a job for a100_4g.20gb"
    assert "fp32" in entry.passed and entry.recommended is not None


def test_a_slice_without_a_gpu_is_told(project: Project):
    """The profile's own `device: cuda`, and no GPU behind the slice."""
    project.clip("train_val/anomaly/a.mp4", LONG)
    assert project.snakemake("selfcheck", "--set-threads", "measure_machine=2", config=("device=cuda",)) == 1
    assert len(project.jobs()) == 1, "it must not be tried again"
    assert "device: cuda is set, but torch sees no GPU here" in project.output
    assert not (project.folder / "resources/calibration.json").exists()
