"""What the self-check finds on a CPU that computes wrongly. Operations are replaced, never checks.

tests/selfcheck/test_workflow_selfcheck.py has a sound machine.
"""

import dataclasses
import json
import sys

import pytest
import torch
from torch import nn

from i3d.backbones.i3d_r50 import fused_cpu
from i3d.backbones.i3d_r50 import network as i3d_network
from i3d.config import complete
from i3d.cost import calibration
from i3d.errors import UserError
from i3d.network import engine as engine_module
from i3d.selfcheck import check, numerics, pipe_speed
from i3d.selfcheck.check import Budget, SelfCheck
from i3d.selfcheck.numerics import Verdict
from i3d.selfcheck.reference import reference_weights
from i3d.specs import PRECISIONS
from scripts import selfcheck
from tests.support.clips import h264_clip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """No more seconds than needed to have every step."""
    monkeypatch.setattr(check, "CPU_BUDGET", Budget(network=0.1, decoding=0.2, pipe=1.0, kinds=2))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    (folder / "train_val/anomaly").mkdir(parents=True)
    h264_clip(folder / "train_val/anomaly/a.mp4", frames=33)
    (folder / "train_val/anomaly/text.mp4").write_text("no video at all")
    return folder


def run(videos, **changes):
    lines = []
    given = {"videos": str(videos), "extensions": ["mp4"], "weights": "random", "sample_mode": "center_crop"}
    settings = complete(given | {"device": "cpu"} | changes)
    return SelfCheck(settings, "", 2, lines.append).run(), "\n".join(lines)


def break_kernels_of(monkeypatch, precision):
    """Make the blocks of one precision 3 % off where 512 channels come out.

    It is computed in float32, as every processor does quickly; only its tolerance tells it from fp32.
    """
    spec = dataclasses.replace(PRECISIONS[precision], dtype="float32")
    for module in (check, engine_module, numerics, i3d_network):
        monkeypatch.setattr(module, "PRECISIONS", {"fp32": PRECISIONS["fp32"], precision: spec})
    monkeypatch.setitem(engine_module.DTYPES, precision, torch.float32)
    fuse = fused_cpu.fuse

    def fuse_wrongly(model, dtype, tolerance):
        fuse(model, dtype, tolerance)
        if tolerance == spec.tolerance:
            model.layer2[0].register_forward_hook(lambda block, x, result: result * 1.03)

    monkeypatch.setattr(fused_cpu, "fuse", fuse_wrongly)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Weights of the user with a classifier that always says class 22."""
    path = tmp_path_factory.mktemp("weights") / "published.pth"
    classifier = {"fc.weight": torch.zeros(400, 2048), "fc.bias": torch.eye(400)[22] * 9}
    torch.save(reference_weights("i3d_r50") | classifier, path)
    return path


def test_a_precision_that_fails_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    """Without videos and weights, too."""
    break_kernels_of(monkeypatch, "bf16")
    monkeypatch.setattr(pipe_speed, "start_seconds", lambda *_: 1.0)
    found, report = run(tmp_path / "none", weights=str(tmp_path / "later.pth"))
    assert found.passed == ("fp32",)
    assert "allowed is 1e-02" in found.failed["bf16"]
    assert {speed.precision for speed in found.network} == {"fp32"}
    assert "WRONG" in report and found.recommended.precision == "fp32"
    assert found.decoding == () and found.pipe_frames_per_second is None
    assert "there is no folder" in report
    assert "What the network sees" not in report, "seeded weights know no classes"


@pytest.fixture
def only_fp32(monkeypatch):
    monkeypatch.setattr(check, "PRECISIONS", {"fp32": check.PRECISIONS["fp32"]})


def test_wrong_fp32_ends_the_check(videos, monkeypatch, only_fp32):
    break_kernels_of(monkeypatch, "fp32")
    found, report = run(videos)
    assert "fp32" in found.failed and found.recommended is None
    assert found.network == () and "Speed of the network" not in report


def test_a_wrong_layer_fails_a_precision_by_its_name(videos, monkeypatch, only_fp32):
    """The engine's own fused kernels are right, torch's plain convolution is not."""
    right = nn.Conv3d.forward

    def wrong(self, x):
        result = right(self, x)
        return result * 1.01 if self.kernel_size == (1, 3, 3) and self.in_channels == 512 else result

    monkeypatch.setattr(nn.Conv3d, "forward", wrong)
    found, _ = run(videos)
    assert "in layer4." in found.failed["fp32"] and ".conv2 of" in found.failed["fp32"]


def test_the_users_weights_can_fail_alone(videos, published, monkeypatch, only_fp32):
    """An engine that overflows on large activations, as fp16 does with some weights."""
    state = torch.load(published, weights_only=True)
    state["layer4.2.bn3.weight"] = state["layer4.2.bn3.weight"] * 1e4
    large = published.with_name("large.pth")
    torch.save(state, large)
    right = engine_module.Engine._forward

    def overflowing(self, snippets):
        features = right(self, snippets)
        return torch.where(features > 10_000, torch.inf, features)

    monkeypatch.setattr(engine_module.Engine, "_forward", overflowing)
    found, _ = run(videos, weights=str(large))
    assert "error inf" in found.failed["fp32"] and "large.pth" in found.failed["fp32"]


@pytest.fixture
def on_small_gpu(monkeypatch, tmp_path):
    """A function that runs the check in fp32 alone on a GPU with room for a number of snippets, without videos."""

    def run_on(room):
        forward = engine_module.Engine._forward

        def short(self, snippets):
            if len(snippets) > room:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(self, snippets)

        monkeypatch.setattr(engine_module, "CPU_BATCH", 4)
        monkeypatch.setattr(engine_module.Engine, "_forward", short)
        monkeypatch.setattr(check.throughput, "BATCH_SIZES", (2, 4))
        monkeypatch.setattr(pipe_speed, "start_seconds", lambda *_: 1.0)
        monkeypatch.setattr(SelfCheck, "_numbers", lambda self: self.passed.update(fp32=Verdict(0.0, 1.0)))
        lines = []
        given = {"videos": str(tmp_path / "none"), "weights": "random", "sample_mode": "center_crop", "device": "cpu"}
        selfcheck = SelfCheck(complete(given), "", 2, lines.append)
        selfcheck.on_gpu = True
        return selfcheck.run(), "\n".join(lines)

    return run_on


def test_a_gpu_that_holds_fewer_snippets_than_the_smallest_batch_is_measured_with_those(on_small_gpu):
    found, report = on_small_gpu(1)
    assert [(speed.precision, speed.batch_size) for speed in found.network] == [("fp32", 1)]
    assert (found.recommended.precision, found.recommended.batch_size) == ("fp32", 1)
    assert "batches of 2 do not fit into the memory" in report
    assert "batches of 4" not in report


def test_a_gpu_that_holds_no_snippet_gets_no_recommendation(on_small_gpu):
    found, report = on_small_gpu(0)
    assert (found.network, found.recommended) == ((), None)
    assert "does not hold one snippet" in report
    assert "ask for a larger GPU or slice" in report


def program(monkeypatch, tmp_path, videos, **changes):
    """The program on the videos, on a CPU, with other settings."""
    settings = {"videos": str(videos), "weights": "random", "sample_mode": "center_crop", "device": "cpu"}
    settings |= {"calibration": str(tmp_path / "calibration.json")} | changes
    monkeypatch.setattr(sys, "argv", ["selfcheck.py", "--settings", json.dumps(settings), "--cpus=2"])
    selfcheck.main()


def test_the_program_ends_with_a_sentence_if_fp32_is_wrong_and_jobs_refuse_it(monkeypatch, tmp_path, videos, only_fp32):
    break_kernels_of(monkeypatch, "fp32")
    with pytest.raises(UserError, match=r"fp32 does not give the right numbers on .*: do not extract here"):
        program(monkeypatch, tmp_path, videos)
    (entry,) = calibration.read(tmp_path / "calibration.json")
    key = calibration.Key(entry.hardware, entry.torch, "i3d_r50", "oversample", 16, "fp32")
    with pytest.raises(UserError, match="precision: fp32 failed the self-check"):
        calibration.refuse_failed(tmp_path / "calibration.json", key)


def test_the_program_refuses_a_wrong_setting_in_words(monkeypatch, tmp_path, videos):
    with pytest.raises(UserError, match="'model'"):
        program(monkeypatch, tmp_path, videos, model="resnet")
