"""The choice between fused and separate steps; on a GPU the rest is in test_gpu.py. Here cuDNN has a stand-in."""

import logging

import pytest
import torch
import torch.nn.functional as F

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import fused_cuda
from i3d.backbones.i3d_r50.fused_cuda import FusedBottleneck, PackedConv, RectifiedConv, fuse, packed

FASTER, SLOWER = 0.5, 2.0  # milliseconds of a fused call; the separate steps take one


def conv_relu(x, weight, bias, stride, padding, dilation, groups):
    return F.relu(F.conv3d(x, weight, bias, stride, padding, dilation, groups))


def conv_add_relu(x, weight, z, alpha, bias, stride, padding, dilation, groups):
    return F.relu(F.conv3d(x, weight, bias, stride, padding, dilation, groups) + alpha * z)


@pytest.fixture
def cudnn(monkeypatch):
    """Puts functions in cuDNN's place, and says how long a fused call takes; gives back the calls that were made."""

    def put(relu=conv_relu, add_relu=conv_add_relu, milliseconds=FASTER):
        calls = []

        def noted(name, function):
            return lambda *arguments: calls.append(name) or function(*arguments)

        monkeypatch.setattr(torch, "cudnn_convolution_relu", noted("relu", relu))
        monkeypatch.setattr(torch, "cudnn_convolution_add_relu", noted("add_relu", add_relu))
        times = iter([1.0, milliseconds] * 100)  # apart, then fused
        monkeypatch.setattr(fused_cuda, "milliseconds", lambda run: run() is not None and next(times))
        return calls

    return put


@pytest.fixture
def layer() -> RectifiedConv:
    torch.manual_seed(0)
    return RectifiedConv(torch.nn.Conv3d(8, 8, 3, padding=1), tolerance=1e-5, choices={}).requires_grad_(False)


def taken(layer: RectifiedConv) -> list[bool]:
    """Whether the fast way is taken, for each shape that has come."""
    return list(layer.choices.values())


IMAGES = torch.rand((2, 8, 2, 6, 6), generator=torch.Generator().manual_seed(0)) - 0.5


def expected(layer: RectifiedConv, shortcut: torch.Tensor | None) -> torch.Tensor:
    return F.relu(layer.conv(IMAGES) + (0 if shortcut is None else shortcut))


@pytest.mark.parametrize("shortcut", [None, IMAGES])
@pytest.mark.parametrize(("milliseconds", "fast"), [(FASTER, True), (SLOWER, False)])
def test_the_faster_way_is_taken(cudnn, layer, shortcut, milliseconds, fast):
    calls = cudnn(milliseconds=milliseconds)
    inputs = [each for each in (IMAGES, shortcut) if each is not None]
    assert torch.equal(layer(*inputs), expected(layer, shortcut))
    assert taken(layer) == [fast]
    calls.clear()
    assert torch.equal(layer(*inputs), expected(layer, shortcut))
    assert calls == ([] if not fast else ["relu"] if shortcut is None else ["add_relu"])


def without_bias(x, weight, bias, *geometry):
    return conv_relu(x, weight, None, *geometry)


def nans(x, weight, bias, *geometry):
    return conv_relu(x, weight, bias, *geometry) * torch.nan


def failing(*arguments):
    raise RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM\nmore")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (without_bias, "is off by"),
        (nans, "is off by nan"),
        (failing, "does not run (cuDNN error: CUDNN_STATUS_BAD_PARAM)"),
    ],
)
def test_a_fused_operation_that_is_wrong_is_left_out(cudnn, layer, caplog, operation, said):
    cudnn(relu=operation)
    with caplog.at_level(logging.INFO):
        assert torch.equal(layer(IMAGES), expected(layer, None))
    assert taken(layer) == [False]
    assert said in caplog.text


def test_short_memory_decides_nothing_about_a_layer(cudnn, layer):
    def short(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    cudnn(relu=short)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        layer(IMAGES)
    cudnn()
    layer(IMAGES)
    assert taken(layer) == [True]


def test_another_batch_size_is_tried_anew(cudnn, layer):
    calls = cudnn()
    layer(IMAGES)
    calls.clear()
    torch.testing.assert_close(layer(IMAGES[:1]), expected(layer, None)[:1])
    assert len(calls) > 1 and taken(layer) == [True, True]


def test_the_first_call_in_which_cudnn_tries_its_kernels_is_not_the_one_that_is_judged(cudnn, layer):
    """The first kernel may have cleaned the memory that the chosen one then adds zero times."""
    count = iter(range(100))
    cudnn(relu=lambda *arguments: conv_relu(*arguments) * (1 if next(count) == 0 else torch.nan))
    assert torch.equal(layer(IMAGES), expected(layer, None))
    assert taken(layer) == [False]


@pytest.mark.parametrize("shape", [(2, 3, 16, 32, 30), (1, 3, 9, 8, 12)])
def test_the_first_convolution_over_blocks_of_pixels_is_the_same(monkeypatch, shape):
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(3, 8, (5, 7, 7), stride=2, padding=(2, 3, 3)).double().requires_grad_(False)
    frames = torch.rand(shape).double().to(memory_format=torch.channels_last_3d)
    layer = PackedConv(conv, 1e-9, {})
    torch.testing.assert_close(layer.fast(frames), conv(frames), rtol=1e-12, atol=1e-12)
    assert packed(frames).is_contiguous(memory_format=torch.channels_last_3d)
    times = iter([1.0, FASTER])
    monkeypatch.setattr(fused_cuda, "milliseconds", lambda run: next(times))
    layer = PackedConv(conv.float(), 1e-5, {})
    layer(frames.float())
    assert list(layer.choices.values()) == [True]


def test_a_torch_without_the_operation_does_without(cudnn, layer, monkeypatch):
    cudnn()
    monkeypatch.delattr(torch, "cudnn_convolution_relu")
    assert torch.equal(layer(IMAGES), expected(layer, None))


@pytest.mark.parametrize("name", ["i3d_r50", "i3d_r50_nl"])
@torch.inference_mode()
def test_a_network_of_fused_layers_is_the_plain_one_and_tries_each_kind_once(cudnn, name):
    plain, fast = (backbone(name).plain(backbone(name).random_weights()) for _ in range(2))
    calls = cudnn()
    fuse(fast, 1e-5)
    assert all(isinstance(block, FusedBottleneck) for block in fast.layer4)
    frames = torch.rand((1, 3, 16, 64, 64), generator=torch.Generator().manual_seed(0)) - 0.5
    stems = fast.stem(frames)
    before = stems.clone()
    features = fast.trunk(stems)
    assert fused_cuda.relative_error(features.clone(), plain(frames)) < 1e-6
    assert torch.equal(stems, before), "the input is left alone"
    tried = len(calls)
    assert fast.trunk(stems).equal(features)
    used = len(calls) - tried
    assert used == 3 * 16, "every convolution of a block but the shortcut's"
    kinds = len(fast.conv1.choices) - 1  # the first convolution is no call that is counted
    assert kinds < used
    assert tried == used + 3 * kinds, "each kind once to tune, once for its numbers and once for its time"
