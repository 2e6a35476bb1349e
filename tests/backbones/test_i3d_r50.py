"""The network against features that the original code computed (tests/golden)."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from i3d.backbones import backbone
from i3d.backbones.counted_work import work_of_a_frame
from i3d.backbones.i3d_r50 import BACKBONES
from i3d.backbones.i3d_r50.layers import NonLocal, empty_model, fold_batch_norm, halve
from i3d.backbones.i3d_r50.stem import stem_of_crops
from i3d.network.engine import Engine
from i3d.settings import NumericSettings
from i3d.specs import HEIGHT, PRECISIONS, SAMPLE_MODES, WIDTH
from tests.support.reference_inputs import GOLDEN, relative_error


@pytest.mark.parametrize(
    ("file", "model", "normalization", "sample_mode"),
    [
        ("synthetic_oversample", "i3d_r50", "inception", "oversample"),
        ("synthetic_center_crop", "i3d_r50", "inception", "center_crop"),
        ("synthetic_center_crop_kinetics_norm", "i3d_r50", "kinetics", "center_crop"),
        ("synthetic_center_crop_nonlocal", "i3d_r50_nl", "inception", "center_crop"),
    ],
)
def test_fp32_features_equal_the_originals(clip, weights, file, model, normalization, sample_mode):
    features = run(clip, weights[model], model, normalization, sample_mode, "fp32")
    assert features.dtype == np.float32
    assert relative_error(features, np.load(GOLDEN / f"{file}.npy")) < 1e-5


@pytest.mark.parametrize("precision", ["tf32", "bf16"])  # fp16 on a GPU, see tests/network/test_gpu.py
def test_other_precisions_stay_close(clip, weights, precision):
    """On half a snippet, since most CPUs have no instructions for bf16."""
    given = (clip[:1, :8], weights["i3d_r50"], "i3d_r50", "inception", "center_crop")
    features, expected = run(*given, precision), run(*given, "fp32")
    assert features.dtype == np.float32
    assert relative_error(features, expected) < PRECISIONS[precision].tolerance


def run(clip, weights, model, normalization, sample_mode, precision) -> np.ndarray:
    settings = NumericSettings(
        model=model,
        normalization=normalization,
        sample_mode=sample_mode,
        precision=precision,
        clip_length=clip.shape[1],
    )
    features = Engine(settings, weights, torch.device("cpu"), batch_size=2).launch(clip).collect()
    assert features.shape == (len(clip), SAMPLE_MODES[sample_mode].crops, 2048)
    return features


def test_state_dict_names_are_the_published_ports():
    names = set(backbone("i3d_r50_nl").expected_shapes())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.1.bias", "layer4.2.bn3.weight"} <= names
    blocks = {name.rsplit(".nl.", 1)[0] for name in names if ".nl." in name}
    assert blocks == {"layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5"}
    temporal = [
        name for name, shape in backbone("i3d_r50").expected_shapes().items() if len(shape) == 5 and shape[2] == 3
    ]
    assert temporal == [
        f"layer{s}.{b}.conv1.weight"
        for s, b in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (3, 4), (4, 1)]
    ]


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_halving_is_max_pooling_bit_for_bit(axis):
    values = torch.rand((2, 5, 7, 6, 9), generator=torch.Generator().manual_seed(0)) - 0.5
    values[0, 0, 0, 0] = torch.tensor([torch.nan, 0.0, -0.0, torch.inf, -torch.inf, 1, 2, 3, 4])
    window = [2 if place == axis else 1 for place in (2, 3, 4)]
    for images in (values, values.to(memory_format=torch.channels_last_3d), values.bfloat16()):
        pooled = F.max_pool3d(images, window, window)
        assert torch.equal(halve(images, axis).nan_to_num(7), pooled.nan_to_num(7))


def test_attention_does_not_overflow_half_precision():
    torch.manual_seed(0)
    block = NonLocal(512).eval().requires_grad_(False)
    for projection in (block.theta, block.phi):
        projection.weight.copy_(torch.eye(256, 512).view_as(projection.weight))
        projection.bias.zero_()
    images = torch.full((1, 512, 2, 4, 4), 20.0)  # a product of 256 x 20 x 20, which fp16 cannot hold
    images[..., 0] = 1
    found, expected = block.half()(images.half()).float(), block.float()(images)
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


def test_an_empty_model_takes_no_memory():
    assert all(parameter.is_meta for parameter in empty_model(False).parameters())


@pytest.mark.parametrize("sample_mode", SAMPLE_MODES)
@pytest.mark.parametrize("network", BACKBONES, ids=lambda network: network.name)
def test_work_and_width_are_the_networks(network, sample_mode):
    model = fold_batch_norm(empty_model(network.nonlocal_blocks).eval().requires_grad_(False))
    model.fc = torch.nn.Identity()
    widths = set()

    def run(frames):
        features = model.trunk(stem_of_crops(model, frames, SAMPLE_MODES[sample_mode]))
        widths.add(features.shape[1])
        return features

    gflop, values = work_of_a_frame(run, (3, 16, HEIGHT, WIDTH), 1)
    assert network.snippet_tflop(sample_mode, 16) == pytest.approx(gflop / 1e3, rel=5e-3)
    assert network.snippet_tflop(sample_mode, 32) == 2 * network.snippet_tflop(sample_mode, 16)
    assert network.snippet_gigabytes(sample_mode, 16, 2) < 0.7 * 2 * values, "its layers are fused"
    assert network.values * network._frames(sample_mode, 16, None) * 2 == pytest.approx(2 * values, rel=0.25)
    assert widths == {network.dim}
