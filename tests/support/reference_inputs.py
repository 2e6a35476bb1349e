"""The deterministic clip and weights that the golden features in `golden/` were computed from.

Integers and names alone decide every value; NumPy is all that is needed, so no torch version changes them.
"""

import zlib
from collections.abc import Mapping

import numpy as np

from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"


def frames(count: int = 40, height: int = 240, width: int = 320) -> np.ndarray:
    """A colour ramp with a square crossing it: uint8 RGB (count, height, width, 3)."""
    t, y, x, c = np.ogrid[:count, :height, :width, :3]
    ramp = (x * (c + 1) + 2 * y + 9 * t + x * y // 64) % 256
    square = (abs(x - 40 - 5 * t) < 24) & (abs(y - 60 - 3 * t) < 24)
    return np.where(square, (200 + 20 * c - t) % 256, ramp).astype(np.uint8)


def state_dict(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Float32 values (int64 zeros for counters) for the named shapes, each drawn with its name's CRC-32 as seed."""
    return {name: _tensor(name, shape) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_mean"):
        values = generator.normal(0, 0.1, shape)
    elif name.endswith("running_var"):
        values = generator.uniform(0.5, 1.5, shape)
    elif len(shape) == 5:
        values = generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    elif len(shape) == 2:
        values = generator.normal(0, 0.01, shape)
    elif name.endswith("weight"):
        values = generator.uniform(0.5, 1.5, shape) * (0.3 if "bn3" in name else 1)
    else:
        values = generator.normal(0, 0.1, shape)
    return values.astype(np.float32)


def relative_error(features: np.ndarray, golden: np.ndarray) -> float:
    """L2 distance of features from the golden ones over the norm of those."""
    assert features.shape == golden.shape
    return float(np.linalg.norm(features - golden) / np.linalg.norm(golden))
