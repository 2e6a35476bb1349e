"""The weights of Pillow's LANCZOS, computed and rounded as Pillow does."""

import math
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import add

import numpy as np

RADIUS = 3  # of the Lanczos window, in samples of the coarser side
COEFFICIENT_BITS = 22  # fractional bits of a coefficient, in Pillow for 8-bit samples
LOW_BITS = 11  # of a coefficient's lower limb


@dataclass(frozen=True)
class Coefficients:
    """The inputs and weights of each sample of a pass's result.

    Sample i is the weighted sum of the samples from `starts[i]` on, int32 (result,), with the weights `limbs[i]`, int16
    (result, groups, 2, group): high limbs before low ones, padded with zeros.
    """

    starts: np.ndarray
    limbs: np.ndarray

    @property
    def groups(self) -> int:
        return self.limbs.shape[1]

    @property
    def arguments(self) -> tuple[int, int, int]:
        """Addresses of `starts` and `limbs`, and the number of groups, as the passes need them."""
        return self.starts.ctypes.data, self.limbs.ctypes.data, self.groups


@lru_cache(maxsize=64)
def coefficients(size: int, result: int, group: int) -> Coefficients:
    """Compute the coefficients that scale an axis from `size` samples to `result`, in groups of `group`.

    See `precompute_coeffs` and `normalize_coeffs_8bpc` in Pillow's Resample.c.
    """
    scale = size / result
    stretch = max(scale, 1.0)
    spans = []
    for place in range(result):
        centre = (place + 0.5) * scale
        start = max(int(centre - RADIUS * stretch + 0.5), 0)
        end = min(int(centre + RADIUS * stretch + 0.5), size)
        spans.append((start, [_lanczos((sample - centre + 0.5) / stretch) for sample in range(start, end)]))
    longest = max(len(weights) for _, weights in spans)
    fixed = np.zeros((result, longest + -longest % group), np.int32)
    for row, (_, weights) in zip(fixed, spans, strict=True):
        total = reduce(add, weights)  # not `sum`, which compensates for rounding
        row[: len(weights)] = [_fixed_point(weight / total) for weight in weights]
    high = (fixed + (1 << LOW_BITS - 1)) >> LOW_BITS
    limbs = np.stack([high, fixed - (high << LOW_BITS)], 1).astype(np.int16)  # (result, 2, groups * group)
    limbs = limbs.reshape(result, 2, -1, group).swapaxes(1, 2)
    return Coefficients(np.array([start for start, _ in spans], np.int32), np.ascontiguousarray(limbs))


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / RADIUS) if -RADIUS <= x < RADIUS else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


def _fixed_point(weight: float) -> int:
    return int(weight * (1 << COEFFICIENT_BITS) + (0.5 if weight >= 0 else -0.5))
