"""The stored reference of I3D: a clip that integers alone decide, and the features it must give with seeded weights.

`reference.npz` has, per model, features of one snippet in ten crops, float32 (10, 2048), normalization `inception`.
Those of i3d_r50 were computed by the original extraction code, in fp32 on a CPU; those of i3d_r50_nl, with damped
attention, by this package's network in float64, one crop at a time.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from i3d.backbones import backbone
from i3d.decoding.resize import resize
from i3d.errors import UserError

FILE = Path(__file__).with_name("reference.npz")
CLIP_LENGTH = 16
SAMPLE_MODE, NORMALIZATION = "oversample", "inception"
HEIGHT, WIDTH = 240, 320
ATTENTION_SCALE = 0.01


def reference_frames(count: int = CLIP_LENGTH) -> np.ndarray:
    """A colour ramp with a square crossing it: uint8 RGB (count, 240, 320, 3)."""
    t, y, x, c = np.ogrid[:count, :HEIGHT, :WIDTH, :3]
    ramp = (x * (c + 1) + 2 * y + 9 * t + x * y // 64) % 256
    square = (abs(x - 40 - 5 * t) < 24) & (abs(y - 60 - 3 * t) < 24)
    return np.where(square, (200 + 20 * c - t) % 256, ramp).astype(np.uint8)


def reference_snippet(count: int = CLIP_LENGTH) -> np.ndarray:
    """The reference clip resized: uint8 (count, 256, 340, 3). The stored features are those of 16 frames."""
    return np.stack([resize(frame) for frame in reference_frames(count)])


def reference_features(model: str) -> np.ndarray:
    """Return the snippet's features with the reference weights: float32 (10, 2048)."""
    with np.load(FILE) as stored:
        return stored[model]


def reference_weights(model: str) -> dict[str, Tensor]:
    """The seeded weights behind the stored features.

    Attention is damped: with seeded weights it is so peaked that rounding alone would decide whom it attends to.
    Raises UserError if NumPy's generators give other values than they did for the stored features.
    """
    state = backbone(model).random_weights()
    for name, value in state.items():
        if name.endswith(("nl.theta.weight", "nl.phi.weight")):
            value *= ATTENTION_SCALE
    with np.load(FILE) as stored:
        wanted = stored[f"{model}_weights"]
    if not np.allclose(weights_sum(state), wanted, rtol=1e-6):
        raise UserError(
            f"NumPy {np.__version__} draws other random numbers than the reference was made with, so that nothing can "
            "be compared; install the versions in envs/requirements.txt"
        )
    return state


def weights_sum(state_dict: Mapping[str, Tensor]) -> np.ndarray:
    """The sum and the sum of magnitudes of all weights, float64 (2,)."""
    total = [float(value.double().sum()) for value in state_dict.values()]
    magnitude = [float(value.double().abs().sum()) for value in state_dict.values()]
    return np.array([sum(total), sum(magnitude)])
