"""The names that settings have, and what they stand for."""

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from i3d.config import schema
from i3d.network.crops import stem_of_crops
from i3d.network.model import I3DResNet50, empty_model, fold_batch_norm
from i3d.specs import CROP, HEIGHT, MODELS, NORMALIZATIONS, PRECISIONS, SAMPLE_MODES, WIDTH


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("model", MODELS),
        ("sample_mode", SAMPLE_MODES),
        ("normalization", NORMALIZATIONS),
        ("precision", PRECISIONS),
    ],
)
def test_the_schema_admits_just_these_names(key, names):
    assert schema()["properties"][key]["enum"] == list(names)


def test_the_sizes_of_types_are_torchs():
    for spec in PRECISIONS.values():
        assert spec.bytes == getattr(torch, spec.dtype).itemsize


def test_crops_lie_within_the_frame():
    assert {name: mode.crops for name, mode in SAMPLE_MODES.items()} == {"oversample": 10, "center_crop": 1}
    for mode in SAMPLE_MODES.values():
        assert all(0 <= top <= HEIGHT - CROP and 0 <= left <= WIDTH - CROP for top, left in mode.places)


def folded(name: str) -> I3DResNet50:
    model = fold_batch_norm(empty_model(name).eval().requires_grad_(False))
    model.fc = torch.nn.Identity()
    return model


@pytest.mark.parametrize("sample_mode", SAMPLE_MODES)
@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_work_and_dimension_are_the_networks(name, sample_mode):
    model = folded(name)
    frames = torch.zeros((1, 3, 16, HEIGHT, WIDTH), device="meta")
    with FlopCounterMode(display=False) as counter:
        features = model.trunk(stem_of_crops(model, frames, sample_mode))
    assert features.shape == (SAMPLE_MODES[sample_mode].crops, MODELS[name].dim)
    assert MODELS[name].snippet_tflop(sample_mode, 16) == pytest.approx(counter.get_total_flops() / 1e12, rel=5e-3)
    assert MODELS[name].snippet_tflop(sample_mode, 32) == 2 * MODELS[name].snippet_tflop(sample_mode, 16)


def test_planning_needs_neither_torch_nor_numpy_for_them():
    code = """if True:
        import sys
        import i3d.specs, i3d.cost.work
        sys.exit(bool({"torch", "numpy"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
