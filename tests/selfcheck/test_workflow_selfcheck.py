"""`snakemake selfcheck` as a user calls it, and what runs make of its result."""

import msgspec
import pytest

from i3d.cost import calibration
from i3d.cost.machine import cpu_model
from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow


def test_the_self_check_reports_and_later_runs_refuse_what_failed(tmp_path):
    workflow = Workflow(tmp_path, {"test/normal/a.mp4": 40}, device="cpu")
    output = workflow.run("selfcheck", cores=2)
    for words in (cpu_model(), "right, error", "64x48 mpeg4", "frames a second", f"for {cpu_model()}."):
        assert words in output
    path = tmp_path / "resources/calibration.json"
    (entry,) = calibration.read(path)
    assert "fp32" in entry.passed and entry.cpus == 2 and entry.sample_mode == "center_crop"

    spoilt = msgspec.structs.replace(entry, failed={"fp32": "error 3.0e-02"}, passed=())
    calibration.save(path, spoilt)
    workflow.run(cores=2, ok=False)
    assert "precision: fp32 failed the self-check" in workflow.log("extract")
    assert not workflow.features()

    calibration.save(path, entry)
    assert f"measured on {cpu_model()}" in workflow.run("-n")
