"""The fused blocks against the plain ones."""

import logging

import pytest
import torch

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import fused_cpu as fused
from i3d.backbones.i3d_r50.fused_cpu import FusedBottleneck, fuse
from i3d.backbones.i3d_r50.layers import I3DResNet50
from i3d.specs import PRECISIONS


def model(name: str = "i3d_r50", dtype: torch.dtype = torch.float32) -> I3DResNet50:
    built = backbone(name).plain(backbone(name).random_weights()).to(dtype)
    return built.to(memory_format=torch.channels_last_3d)


def stems(*shape: int) -> torch.Tensor:
    made = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return made.contiguous(memory_format=torch.channels_last_3d)


def relative_error(features: torch.Tensor, expected: torch.Tensor) -> float:
    return float((features - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", ["i3d_r50", "i3d_r50_nl"])
@torch.inference_mode()
def test_they_compute_what_the_plain_ones_do_whatever_the_shape(name):
    plain, fast = model(name), model(name)
    fuse(fast, torch.float32, 1e-5)
    assert all(isinstance(block, FusedBottleneck) for block in fast.layer3)
    for shape in [(2, 64, 4, 16, 16), (1, 64, 8, 20, 12)]:
        images = stems(*shape)
        expected, before = plain.trunk(images), images.clone()
        assert relative_error(fast.trunk(images), expected) < 1e-5
        assert torch.equal(images, before), "the input is left alone"


@torch.inference_mode()
def test_half_precision_stays_close():
    images = stems(1, 64, 4, 16, 16)
    fast = model(dtype=torch.bfloat16)
    fuse(fast, torch.bfloat16, 1e-2)
    assert 0 < relative_error(fast.trunk(images.bfloat16()).float(), model().trunk(images)) < 1e-2


@pytest.mark.parametrize(("lacking", "short"), [(torch.float16, "fp16"), (torch.bfloat16, "bf16")])
def test_what_the_processor_lacks_is_left_to_torch(monkeypatch, lacking, short):
    monkeypatch.setattr(torch.ops.mkldnn, f"_is_mkldnn_{short}_supported", lambda: False)
    left = model(dtype=lacking)
    fuse(left, lacking, 1e-2)
    assert not any(isinstance(module, FusedBottleneck) for module in left.modules())


def test_without_onednn_nothing_is_supported(monkeypatch):
    assert fused.supported(torch.float32)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not any(fused.supported(dtype) for dtype in (torch.float32, torch.bfloat16, torch.float16))


class Operations:
    """In the place of torch.ops.mkldnn: all that it has, but for some of its operations."""

    def __init__(self, **others):
        self.__dict__.update(others)

    def __getattr__(self, name):
        return getattr(OPERATIONS, name)


OPERATIONS = torch.ops.mkldnn


def without_bias(x, weights, bias, *rest):
    return OPERATIONS._convolution_pointwise(x, weights, None, *rest)


def missing(*arguments):
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_convolution_pointwise'")


def of_another_signature(x, weights):
    raise AssertionError("never reached")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (without_bias, "'s fused convolutions are off by "),
        (missing, "has other fused convolutions ('_OpNamespace' 'mkldnn' object has no"),
        (of_another_signature, "has other fused convolutions (of_another_signature() takes"),
    ],
)
def test_a_torch_with_other_operations_runs_the_plain_blocks_and_says_so(monkeypatch, caplog, operation, said):
    monkeypatch.setattr(torch.ops, "mkldnn", Operations(_convolution_pointwise=operation))
    left = model()
    with caplog.at_level(logging.WARNING):
        fuse(left, torch.float32, 1e-5)
    assert not any(isinstance(module, FusedBottleneck) for module in left.modules())
    assert said in caplog.text


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_small_trial_is_well_within_its_limit(precision):
    spec = PRECISIONS[precision]
    dtype = getattr(torch, spec.dtype)
    if not fused.supported(dtype):
        assert precision == "bf16", "every processor has fp32"
        return
    assert fused.agrees(dtype, spec.tolerance / 2)
