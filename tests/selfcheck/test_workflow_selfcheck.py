"""`snakemake selfcheck` as a user calls it, and what runs make of its result."""

import msgspec
import pytest
import torch

from i3d.cost import calibration
from i3d.cost.machine import cpu_model
from i3d.selfcheck.classes import class_names
from i3d.selfcheck.reference import reference_weights
from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow


def test_a_sound_machine_passes_and_is_measured_and_later_runs_refuse_what_failed(tmp_path):
    """With weights of the user whose classifier always says class 22."""
    workflow = Workflow(tmp_path, {"test/normal/a.mp4": 40}, device="cpu", weights="own.pth")
    classifier = {"fc.weight": torch.zeros(400, 2048), "fc.bias": torch.eye(400)[22] * 9}
    torch.save(reference_weights("i3d_r50") | classifier, tmp_path / "own.pth")
    output = workflow.run("selfcheck", cores=2)
    path = tmp_path / "resources/calibration.json"
    (entry,) = calibration.read(path)
    for words in (cpu_model(), f"torch {entry.torch}", "oneDNN", "right, error", "as Pillow does", "64x48 mpeg4"):
        assert words in output
    for words in ("frames a second", "bundle_frames", f"for {cpu_model()}.", f": {class_names()[22]} 95%"):
        assert words in output
    assert entry.device == entry.hardware == cpu_model() and entry.cpus == 2 and entry.sample_mode == "center_crop"
    assert "fp32" in entry.passed and entry.failed == {} and entry.recommended.precision in entry.passed
    assert {speed.precision for speed in entry.network} == set(entry.passed)
    assert {(speed.codec, speed.processes) for speed in entry.decoding} == {("mpeg4", 1), ("mpeg4", 2)}
    assert entry.pipe_frames_per_second > 0 and entry.start_seconds > 0.5

    spoilt = msgspec.structs.replace(entry, failed={"fp32": "error 3.0e-02"}, passed=())
    calibration.save(path, spoilt)
    workflow.run(cores=2, ok=False)
    assert "precision: fp32 failed the self-check" in workflow.log("extract")
    assert not workflow.features()

    calibration.save(path, entry)
    assert f"measured on {cpu_model()}" in workflow.run("-n")
