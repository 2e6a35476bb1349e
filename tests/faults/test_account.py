"""What a run says of itself."""

import re

import pytest
import torch

from i3d.backbones import backbone
from tests.support.workflow import CLIPS, TWO_BUNDLES, Workflow

pytestmark = pytest.mark.faults

REASON = "NaN or Inf in the features of snippet 0: broken weights, or an overflow in precision fp32"


def test_a_reason_is_the_same_wherever_it_stands(workflow, undisturbed):
    path = workflow.folder / "overflowing.pth"
    weights = backbone("i3d_r50").random_weights()
    torch.save({key: value * 1e9 if value.dim() == 5 else value for key, value in weights.items()}, path)
    output = workflow.run("--keep-going", weights=path.name, ok=False)

    assert not workflow.features()
    reasons = workflow.runs()[-1]["reasons"]
    rows = workflow.metadata()
    for video in CLIPS:
        told = f"{video}: failed: {REASON}"
        assert told in output
        assert told in workflow.log("extract")
        assert told in workflow.log("feature")
        assert (rows[video]["status"], rows[video]["reason"]) == ("failed", REASON)
        assert reasons[f"videos/{video}"] == REASON
    assert workflow.runs()[-1]["failed_video_list"] == [f"videos/{video}" for video in CLIPS]

    workflow.run()
    assert workflow.features() == undisturbed.features


def test_each_bundle_has_a_log_per_stage_with_each_videos_time(tmp_path):
    workflow = Workflow(tmp_path / "run", bundle_frames=TWO_BUNDLES)
    workflow.run()
    for stage in ("decode", "extract"):
        logs = [path.read_text() for path in (workflow.folder / "logs" / stage).glob("*.log")]
        assert len(logs) == 2
        for video in CLIPS:
            lines = [line for log in logs for line in log.splitlines() if f"{video}: ok" in line]
            assert len(lines) == 1
            assert re.search(r"\d+\.\d+ s", lines[0])
