"""Right numbers pass, and each kind of wrong kernel is caught. The operations are replaced, never the checks."""

import numpy as np
import pytest
import torch
from torch import nn

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import fused_cpu
from i3d.selfcheck import numerics, reference

from .conftest import engine_in

CPU = torch.device("cpu")


FAST = [precision for precision in ("fp32", "bf16") if not numerics.why_left_out(precision, CPU)]


@pytest.fixture(scope="module")
def snippet():
    return reference.reference_snippet()


def features(engine, snippet):
    return engine.launch(torch.from_numpy(snippet)[None]).collect()


def plain_model():
    return backbone("i3d_r50").plain(reference.reference_weights("i3d_r50"))


@pytest.mark.parametrize("precision", FAST)
def test_right_features_pass(snippet, precision):
    verdict = numerics.compare_features(
        features(engine_in(precision), snippet), reference.reference_features("i3d_r50"), precision
    )
    assert verdict.passed and 0 < verdict.error <= verdict.tolerance


def test_a_wrong_fused_kernel_fails_in_all_precisions(snippet, monkeypatch):
    """One that is 3 % off for one shape alone, which the engine's own trial of small shapes does not see."""
    right = fused_cpu.FusedConv.forward

    def wrong(self, x):
        result = right(self, x)
        return result * 1.03 if result.shape[1] == 512 else result

    monkeypatch.setattr(fused_cpu.FusedConv, "forward", wrong)
    for precision in FAST:
        verdict = numerics.compare_features(
            features(engine_in(precision), snippet), reference.reference_features("i3d_r50"), precision
        )
        assert not verdict.passed and verdict.error > 1e-2


def test_one_wrong_crop_is_enough():
    expected = np.ones((10, 2048), np.float32)
    found = np.ones((3, 10, 2048), np.float32)
    found[1, 7] *= 1.001
    verdict = numerics.compare_features(found, expected, "fp32")
    assert not verdict.passed and verdict.where == "crop 7" and verdict.error == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_features_that_are_not_finite_fail(poison):
    found = np.ones((1, 10, 2048), np.float32)
    found[0, 3, 5] = poison
    verdict = numerics.compare_features(found, np.ones((10, 2048), np.float32), "bf16")
    assert not verdict.passed and verdict.where == "crop 3"


def test_sound_convolutions_pass(snippet):
    verdict = numerics.check_layers(
        plain_model(), numerics.centre_crop(snippet, backbone("i3d_r50"), "inception"), CPU, FAST[-1]
    )
    assert verdict.passed and "of 26 kinds of layer" in verdict.where


def test_a_wrong_convolution_is_named(snippet, monkeypatch):
    """Temporal kernels of the third stage lose their first frame, as a kernel that mishandles padding would do."""
    right = nn.Conv3d.forward

    def wrong(self, x):
        result = right(self, x)
        if self.kernel_size == (3, 1, 1) and self.in_channels == 1024:
            result[:, :, 0] = 0
        return result

    monkeypatch.setattr(nn.Conv3d, "forward", wrong)
    verdict = numerics.check_layers(
        plain_model(), numerics.centre_crop(snippet, backbone("i3d_r50"), "inception"), CPU, "fp32"
    )
    assert not verdict.passed and verdict.where.startswith("layer3.2.conv1")


def test_plain_kernels_do_without_onednn_and_put_it_back(snippet, monkeypatch):
    assert torch.backends.mkldnn.enabled
    with numerics.plain_kernels(CPU):
        assert not torch.backends.mkldnn.enabled
    assert torch.backends.mkldnn.enabled


def test_plain_features_equal_the_originals(snippet):
    crop = numerics.centre_crop(snippet, backbone("i3d_r50"), "inception")
    found = numerics.plain_features(plain_model(), crop, CPU)
    assert numerics.relative_error(found[0], reference.reference_features("i3d_r50")[2]) < 1e-6
