"""The network's stem, computed for all crops of a frame together."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from i3d.backbones.i3d_r50 import shares_stem
from i3d.backbones.i3d_r50.layers import I3DResNet50
from i3d.specs import CROP, SampleMode

_STEM_USED = 111  # of a crop's 112 rows and columns after conv1: the number that pooling (3 wide, stride 2) reads
_POOLED = 55  # rows and columns of a crop after pooling
_EDGE = 8  # first rows or columns of a crop, which determine the first 3 after conv1


def stem_of_crops(model: I3DResNet50, frames: Tensor, mode: SampleMode) -> Tensor:
    """Compute the stem of every crop: normalised frames (B, 3, T, 256, 340) to (B * crops, 64, T/4, 55, 55).

    The result is channels last, and equal to `model.stem` of each crop alone.
    """
    frames = frames.contiguous(memory_format=torch.channels_last_3d)
    if not shares_stem(mode):
        ((top, left),) = mode.places
        return model.stem(_window(frames, top, left, CROP))
    sides = [frames]
    if mode.mirrored:
        sides.append(frames.flip(-1).contiguous(memory_format=torch.channels_last_3d))
    shape = (len(frames) * mode.crops, model.conv1.out_channels, (frames.shape[2] + 1) // 4, _POOLED, _POOLED)
    stems = torch.empty(shape, dtype=frames.dtype, device=frames.device, memory_format=torch.channels_last_3d)
    of_crops = stems.unflatten(0, (len(frames), len(sides), len(mode.places)))
    for number, side in enumerate(sides):
        _write_stems(model, side, mode.places, of_crops[:, number])
    return stems


def _write_stems(model: I3DResNet50, frames: Tensor, places: Sequence[tuple[int, int]], stems: Tensor) -> None:
    """Write the stems of the crops at `places` to `stems`, (B, places, 64, T/4, 55, 55), with one convolution.

    conv1 is 29 % of the network's work, and the crops overlap: the whole frame costs a third of five crops. Crop
    offsets are even, so a crop's rows and columns after conv1 are the frame's, except the first two: beyond the crop's
    edge conv1 must see zeros where the frame has pixels. Those are recomputed from a strip along the edge.
    """
    whole = model.conv1(frames)  # (B, 64, T/2, 128, 170)
    pooled = model.pool(whole)  # (B, 64, T/4, 63, 84)
    for place, (top, left) in enumerate(places):
        stem = stems[:, place]
        row, column = top // 2, left // 2
        if row % 2 == column % 2 == 0:
            stem.copy_(_window(pooled, row // 2, column // 2, _POOLED))
        else:  # this crop's pooling windows are not the frame's
            stem.copy_(model.pool(_window(whole, row, column, _STEM_USED)))
        crop = _window(frames, top, left, CROP)
        if left > 0:
            stem[..., :, :1] = _edge(model, crop[..., :, :_EDGE])
        if top > 0:
            stem[..., :1, :] = _edge(model, crop[..., :_EDGE, :])


def _edge(model: I3DResNet50, strip: Tensor) -> Tensor:
    """Compute the stem of a strip along a crop's top or left edge, with zeros beyond that edge."""
    padded = F.pad(strip, (3, 0, 3, 0))  # conv1 is 7 wide: 3 zeros before the first row and column
    conv = model.conv1
    return model.pool(F.conv3d(padded, conv.weight, conv.bias, stride=2, padding=(2, 0, 0)))


def _window(images: Tensor, top: int, left: int, size: int) -> Tensor:
    return images[..., top : top + size, left : left + size]
