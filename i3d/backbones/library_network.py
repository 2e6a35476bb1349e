"""A library's module on this workflow's frames: crops, normalization by channel, seeded weights."""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i3d.backbones.backbone import OWN, Backbone
from i3d.specs import CROP, PRECISIONS, SampleMode


class LibraryNetwork:
    """A `Network` around `module`, which maps normalised crops (B, 3, T, S, S) to features (B, dim)."""

    def __init__(self, backbone: Backbone, module: nn.Module, sample_mode: SampleMode) -> None:
        self.dim = backbone.dim
        self.crops = sample_mode.crops
        self.backbone = backbone
        self.module = module
        self.sample_mode = sample_mode
        self.dtype = torch.float32

    def prepare(self, device: torch.device, precision: str) -> None:
        """See `Network`."""
        self.dtype = getattr(torch, PRECISIONS[precision].dtype)
        self.module.to(device, self.dtype)

    def features(self, frames: Tensor) -> Tensor:
        """See `Network`. Crops of single frames are computed together, others one by one."""
        values = self.backbone.normalised(frames.permute(0, 4, 1, 2, 3).float(), OWN)
        crops = [resized(crop, self.backbone).to(self.dtype) for crop in crops_of(values, self.sample_mode)]
        if frames.shape[1] == 1:
            features = self.module(torch.cat(crops)).unflatten(0, (self.crops, len(frames)))
        else:
            features = torch.stack([self.module(crop) for crop in crops])
        return features.float().transpose(0, 1)


def crops_of(frames: Tensor, mode: SampleMode) -> Iterator[Tensor]:
    """Yield views of frames (..., 256, 340) as crops (..., 224, 224), in the order of a feature's second axis."""
    for side in (frames, frames.flip(-1)) if mode.mirrored else (frames,):
        for top, left in mode.places:
            yield side[..., top : top + CROP, left : left + CROP]


def resized(crops: Tensor, backbone: Backbone) -> Tensor:
    """Resize float crops (B, 3, T, 224, 224) to the network's input size with its library's filter.

    Anti-aliased, with Pillow's weights. Crops for a network of 224 pixels are returned unchanged.
    """
    size = backbone.input_size
    if size == CROP:
        return crops
    images = crops.transpose(1, 2).flatten(0, 1)
    images = F.interpolate(images, (size, size), mode=backbone.filter or "bilinear", antialias=True)
    return images.unflatten(0, (len(crops), -1)).transpose(1, 2)


def normalised(frames: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Normalise float frames (B, 3, ...) with values 0..255, in place; `mean` and `std` are per channel, in 0..1."""
    shape = (1, 3, *(1,) * (frames.ndim - 2))
    subtract, divide = (torch.tensor(values, device=frames.device).mul(255).view(shape) for values in (mean, std))
    return frames.sub_(subtract).div_(divide)


class PerFrame(nn.Module):
    """An image tower for snippets: the mean, in float32, over the features of a snippet's frames."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops (B, 3, T, S, S) to features, float32 (B, dim)."""
        images = crops.transpose(1, 2)
        features = self.tower(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return features.mean(1, dtype=torch.float32)


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module in inference mode, with its tensors on the meta device, which has shapes but no values."""
    with torch.device("meta"):
        return build().eval().requires_grad_(False)


def random_weights(shapes: Mapping[str, tuple[int, ...]], last_norm: str | None = None) -> dict[str, Tensor]:
    """Make up float32 weights, the same on every machine.

    Each tensor comes from a NumPy generator seeded with the CRC-32 of its name. Convolutions are scaled as in He et al.
    2015 (arXiv:1502.01852), linear layers so that they keep the variance. With `last_norm`, a part of its name, the
    last batch norm of a residual block is small, so that the blocks' outputs do not add up.
    """
    state = {}
    for name, shape in shapes.items():
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        is_weight = name.endswith("weight")
        if is_weight and len(shape) != 1:
            gain = 2 if len(shape) > 2 else 1
            values = generator.normal(0, math.sqrt(gain / math.prod(shape[1:])), shape)
        elif is_weight or name.endswith("running_var"):
            is_small = is_weight and last_norm is not None and last_norm in name
            values = generator.uniform(0.5, 1.5, shape) * (0.3 if is_small else 1)
        else:
            values = generator.normal(0, 0.1, shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state
