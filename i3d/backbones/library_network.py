"""A library's module behind this workflow's frames: crops, normalization by channel, seeded weights."""

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i3d.backbones.backbone import OWN, Backbone
from i3d.backbones.crops import crops_of
from i3d.specs import CROP, PRECISIONS, SampleMode


class LibraryNetwork:
    """See `Network`. `module` maps normalised crops (B, 3, T, S, S) to features (B, dim)."""

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
        """See `Network`. Crops go through one after another, of single frames all at once."""
        values = self.backbone.normalised(frames.permute(0, 4, 1, 2, 3).float(), OWN)
        crops = [resized(crop, self.backbone).to(self.dtype) for crop in crops_of(values, self.sample_mode)]
        if frames.shape[1] == 1:
            features = self.module(torch.cat(crops)).unflatten(0, (self.crops, len(frames)))
        else:
            features = torch.stack([self.module(crop) for crop in crops])
        return features.float().transpose(0, 1)


def resized(crops: Tensor, backbone: Backbone) -> Tensor:
    """Float crops (B, 3, T, 224, 224) in the size that the network takes, by its library's filter.

    Anti-aliased and with Pillow's weights; a network of 224 pixels gets them as they are.
    """
    size = backbone.input_size
    if size == CROP:
        return crops
    images = crops.transpose(1, 2).flatten(0, 1)
    images = F.interpolate(images, (size, size), mode=backbone.filter or "bilinear", antialias=True)
    return images.unflatten(0, (len(crops), -1)).transpose(1, 2)


def normalised(frames: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Scale float frames (B, 3, ...) with values 0..255, in place; `mean` and `std` are of values 0..1, by channel."""
    shape = (1, 3, *(1,) * (frames.ndim - 2))
    subtract, divide = (torch.tensor(values, device=frames.device).mul(255).view(shape) for values in (mean, std))
    return frames.sub_(subtract).div_(divide)


class PerFrame(nn.Module):
    """An image tower for snippets: the mean, in float32, of the features of a snippet's frames."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, T, S, S) to features float32 (B, dim)."""
        images = crops.transpose(1, 2)
        features = self.tower(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return features.mean(1, dtype=torch.float32)


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Made-up float32 weights, the same on every machine.

    Each tensor comes from a NumPy generator seeded by the CRC-32 of its name plus `seed`. Convolutions are scaled as
    in He et al. 2015 (arXiv:1502.01852), linear layers to keep the variance.
    """
    state = {}
    for name, shape in shapes.items():
        generator = np.random.default_rng(zlib.crc32(name.encode()) + seed)
        is_weight = name.endswith("weight")
        if name.endswith("running_var") or (is_weight and len(shape) == 1):
            values = generator.uniform(0.5, 1.5, shape)
        elif is_weight:
            gain = 2 if len(shape) > 2 else 1
            values = generator.normal(0, math.sqrt(gain / math.prod(shape[1:])), shape)
        else:
            values = generator.normal(0, 0.1, shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state
