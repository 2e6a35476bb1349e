"""The network's blocks as a GPU computes them fastest, by cuDNN.

A convolution's bias, the shortcut and the rectification cost a pass over memory each, and memory is what limits a
slice in half precision. cuDNN can do all of them while a convolution's result is still on the chip. Whether it does so
right and faster depends on the GPU, the precision and the layer, so each is tried when its first input comes.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from i3d.backbones.i3d_r50.layers import Bottleneck, I3DResNet50

REPEATS = 3  # timed calls of each way

log = logging.getLogger(__name__)

Shapes = tuple[object, ...]  # what a choice depends on


def fuse(model: I3DResNet50, tolerance: float) -> None:
    """Replace the blocks of a model with folded batch norms, in place.

    `tolerance` is the relative L2 distance within which both ways of computing a layer count as equal.
    """
    choices: dict[Shapes, bool] = {}
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for index, block in enumerate(stage):
            stage[index] = FusedBottleneck(block, tolerance, choices)  # type: ignore[arg-type]


class FusedBottleneck(nn.Module):
    """A `Bottleneck` whose batch norms are folded."""

    def __init__(self, block: Bottleneck, tolerance: float, choices: dict[Shapes, bool]) -> None:
        super().__init__()
        self.conv1 = RectifiedConv(block.conv1, tolerance, choices)
        self.conv2 = RectifiedConv(block.conv2, tolerance, choices)
        self.conv3 = RectifiedConv(block.conv3, tolerance, choices)
        self.downsample = block.downsample
        self.nl = block.nl

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv3(self.conv2(self.conv1(x)), shortcut)
        return x if self.nl is None else self.nl(x)


class RectifiedConv(nn.Module):
    """A convolution, to which a shortcut may be added, then ReLU: in one pass where that is right and faster.

    `choices` holds what was found for each kind of layer, and is shared by all layers of a model.
    """

    def __init__(self, conv: nn.Conv3d, tolerance: float, choices: dict[Shapes, bool]) -> None:
        super().__init__()
        self.conv = conv
        self.tolerance = tolerance
        self.choices = choices
        self.in_one_pass: bool | None = None  # not known before the first input

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        if self.in_one_pass is None:
            self.in_one_pass = self._choose(x, shortcut)
        return self.fused(x, shortcut) if self.in_one_pass else self.plain(x, shortcut)

    def plain(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """The steps one after another."""
        result = self.conv(x)
        if shortcut is not None:
            result.add_(shortcut)
        return result.relu_()

    def fused(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """All steps by one call of cuDNN."""
        conv = self.conv
        geometry: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)
        if shortcut is None:
            return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry)
        return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, conv.bias, *geometry)

    def _choose(self, x: Tensor, shortcut: Tensor | None) -> bool:
        shapes = (x.shape[1:], self.conv.weight.shape, self.conv.stride, shortcut is None)
        if shapes not in self.choices:
            self.choices[shapes] = self._is_better(x, shortcut)
        return self.choices[shapes]

    def _is_better(self, x: Tensor, shortcut: Tensor | None) -> bool:
        """Whether one pass gives what the separate steps give, and sooner."""
        expected = self.plain(x, shortcut)
        try:
            error = relative_error(self._fused_over_nans(expected, x, shortcut), expected)
            if not error < self.tolerance:  # NaN is not, either
                log.info("cuDNN's fused %s is off by %.0e: left out", self.conv, error)
                return False
            apart = milliseconds(lambda: self.plain(x, shortcut))
            fused = milliseconds(lambda: self.fused(x, shortcut))
        except (RuntimeError, AttributeError, TypeError) as failure:
            reason = str(failure).splitlines()[0]
            log.info("cuDNN's fused %s does not run (%s): left out", self.conv, reason)
            return False
        log.debug("%s: %.3f ms apart, %.3f ms fused", self.conv, apart, fused)
        return fused < apart

    def _fused_over_nans(self, like: Tensor, x: Tensor, shortcut: Tensor | None) -> Tensor:
        """`fused`, its result in memory that held NaN before.

        Without a shortcut torch has cuDNN add zero times what the result's memory holds, and zero times NaN is NaN.
        """
        nans = torch.full_like(like, torch.nan)
        del nans  # the allocator hands the same memory out again
        return self.fused(x, shortcut)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """L2 distance of one tensor from another over the other's norm."""
    expected = expected.float()
    return float((found.float() - expected).norm() / expected.norm())


def milliseconds(run: Callable[[], object]) -> float:
    """GPU time of one call, the first one, in which cuDNN tunes itself, left out."""
    run()
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    for _ in range(REPEATS):
        run()
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended) / REPEATS
