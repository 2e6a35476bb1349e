"""The stored reference is the original code's."""

import numpy as np
import pytest
import torch

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import I3D
from i3d.errors import UserError
from i3d.selfcheck import reference
from tests.support import reference_inputs
from tests.support.paths import ROOT


def test_the_clip_is_the_one_that_the_original_code_was_given():
    np.testing.assert_array_equal(reference.reference_frames(20), reference_inputs.frames(20))


def test_the_features_are_the_original_codes():
    golden = np.load(ROOT / "tests/golden/synthetic_oversample.npy")
    np.testing.assert_array_equal(reference.reference_features("i3d_r50"), golden[0])


def test_the_nonlocal_features_come_from_the_network_that_equals_the_original():
    """The centre crop anew, by torch alone; test_i3d_r50.py compares that network with the original's."""
    crop = torch.from_numpy(reference.reference_snippet()[:, 16:240, 58:282]).permute(3, 0, 1, 2)[None]
    model = backbone("i3d_r50_nl").plain(reference.reference_weights("i3d_r50_nl"))
    with torch.inference_mode():
        found = model(crop.float() / 127.5 - 1)[0].numpy()
    expected = reference.reference_features("i3d_r50_nl")[2]
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 2e-6


@pytest.mark.parametrize("model", ["i3d_r50", "i3d_r50_nl"])
def test_there_is_a_reference_for_every_model(model):
    assert reference.reference_features(model).shape == (10, backbone(model).dim)
    assert reference.reference_weights(model).keys() <= backbone(model).expected_shapes().keys()


def test_the_file_is_small():
    assert reference.FILE.stat().st_size < 300_000


def test_other_random_numbers_are_no_reference(monkeypatch):
    def others(self):
        return {name: torch.ones(shape) for name, shape in self.expected_shapes().items()}

    monkeypatch.setattr(I3D, "random_weights", others)
    with pytest.raises(UserError, match=r"NumPy .* draws other random numbers"):
        reference.reference_weights("i3d_r50")
