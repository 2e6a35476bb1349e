"""The names that settings have, and what they stand for."""

import subprocess
import sys

import pytest
import torch

from i3d.backbones.i3d_r50 import NORMALIZATIONS
from i3d.config import schema
from i3d.specs import CROP, HEIGHT, PRECISIONS, SAMPLE_MODES, WIDTH


@pytest.mark.parametrize(
    ("key", "names"),
    [
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


def test_planning_needs_neither_torch_nor_numpy_for_them():
    code = """if True:
        import sys
        import i3d.specs, i3d.backbones, i3d.settings, i3d.cost.work
        sys.exit(bool({"torch", "numpy", "torchvision", "timm"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
