"""Fixtures: the clip and the weights that the golden features were computed from, as tensors."""

import numpy as np
import pytest
import torch

from i3d.backbones import i3d_r50
from i3d.decoding.resize import resize
from tests.support import reference_inputs


@pytest.fixture(scope="package")
def clip() -> torch.Tensor:
    """The first two snippets of the reference clip, uint8 (2, 16, 256, 340, 3)."""
    frames = np.stack([resize(frame) for frame in reference_inputs.frames()[:32]])
    return torch.from_numpy(frames.reshape(2, 16, *frames.shape[1:]))


@pytest.fixture(scope="package")
def weights() -> dict[str, dict[str, torch.Tensor]]:
    """Name of an I3D -> the reference weights for it."""
    return {
        network.name: {
            key: torch.from_numpy(value)
            for key, value in reference_inputs.state_dict(network.expected_shapes()).items()
        }
        for network in i3d_r50.BACKBONES
    }
