"""Crops and normalization against torchvision's, and the shared stem against the plain one."""

import pytest
import torch
from torchvision.transforms import v2

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import NORMALIZATIONS, shares_stem
from i3d.backbones.i3d_r50.stem import stem_of_crops
from i3d.specs import SAMPLE_MODES

IN_OUR_ORDER = [0, 1, 4, 2, 3, 5, 6, 9, 7, 8]  # torchvision's ten crops have the centre last of five


class Window(torch.nn.Module):
    """Stands in for the network: its stem gives back the crop it is given, so that crops can be looked at."""

    def stem(self, x):
        return x


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand((2, 3, 8, 256, 340), generator=generator)


def torchvision_crops(frames: torch.Tensor) -> torch.Tensor:
    """(B, 3, T, 256, 340) to (B, 10, 3, T, 224, 224)."""
    ten = v2.TenCrop(224)(frames)
    return torch.stack([ten[place] for place in IN_OUR_ORDER], 1)


def test_shared_stem_equals_the_stem_of_each_crop(frames):
    model = backbone("i3d_r50").plain(backbone("i3d_r50").random_weights())
    expected = model.stem(torchvision_crops(frames).flatten(0, 1))
    stems = stem_of_crops(model, frames, SAMPLE_MODES["oversample"])
    assert stems.shape == (20, 64, 2, 55, 55)
    torch.testing.assert_close(stems, expected, rtol=1e-5, atol=1e-5)


def test_centre_crop_is_torchvisions(frames):
    assert torch.equal(stem_of_crops(Window(), frames, SAMPLE_MODES["center_crop"]), v2.CenterCrop(224)(frames))


def test_offsets_suit_the_shared_stem():
    shared = [mode for mode in SAMPLE_MODES.values() if shares_stem(mode)]
    assert shared
    assert all(top % 2 == left % 2 == 0 for mode in shared for top, left in mode.places)


@pytest.mark.parametrize(("name", "mean", "std"), [("inception", 0.5, 0.5), ("kinetics", 114.75 / 255, 57.375 / 255)])
def test_normalization_is_torchvisions(name, mean, std):
    values = torch.arange(256.0).repeat(3, 1, 1)
    expected = v2.Normalize([mean] * 3, [std] * 3)(values / 255)
    torch.testing.assert_close(backbone("i3d_r50").normalised(values.clone(), name), expected)
    assert set(NORMALIZATIONS) == {"inception", "kinetics"}
