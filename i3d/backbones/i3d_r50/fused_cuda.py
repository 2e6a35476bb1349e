"""The network's layers as a GPU computes them fastest, by cuDNN.

A convolution's bias, the shortcut and the rectification cost a pass over memory each, and memory is what limits a
slice in half precision. cuDNN can do all of them while a convolution's result is still on the chip. Biases that no
such call takes are moved to where they cost less.

The first convolution has three input channels, for which there is no good kernel: over blocks of 2x2 pixels, filled up
to 16 channels, it takes under half the time (`python -m bench.gpu_visit tries first`).

Whether a fast way is right and faster depends on the GPU, the precision and the layer, so each is tried when its first
input comes.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i3d.backbones.i3d_r50.layers import Bottleneck, I3DResNet50

REPEATS = 3  # timed calls of each way

log = logging.getLogger(__name__)

Choices = dict[tuple[object, ...], bool]  # whether the fast way is taken, by kind of layer and shapes


def fuse(model: I3DResNet50, tolerance: float) -> None:
    """Replace the first convolution and the blocks of a model with folded batch norms, in place.

    `tolerance` is the relative L2 distance within which both ways of computing a layer count as equal.
    """
    choices: Choices = {}
    assert model.conv1.bias is not None
    model.bias_after_pooling = model.conv1.bias.view(-1, 1, 1, 1)
    model.conv1.bias = None
    model.conv1 = PackedConv(model.conv1, tolerance, choices)  # type: ignore[assignment]
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for index, block in enumerate(stage):
            stage[index] = FusedBottleneck(block, tolerance, choices)  # type: ignore[arg-type]


class FusedBottleneck(nn.Module):
    """A `Bottleneck` whose batch norms are folded."""

    def __init__(self, block: Bottleneck, tolerance: float, choices: Choices) -> None:
        super().__init__()
        if block.downsample is not None:  # its result is added to conv3's: so is its bias
            block.conv3.bias.add_(block.downsample[0].bias)  # type: ignore[union-attr, arg-type]
            block.downsample[0].bias = None  # type: ignore[assignment]
        self.conv1 = RectifiedConv(block.conv1, tolerance, choices)
        self.conv2 = RectifiedConv(block.conv2, tolerance, choices)
        self.conv3 = RectifiedConv(block.conv3, tolerance, choices)
        self.downsample = block.downsample
        self.nl = block.nl

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv3(self.conv2(self.conv1(x)), shortcut)
        return x if self.nl is None else self.nl(x)


class TwoWays(nn.Module):
    """A convolution, and what follows it, by `plain` steps or in a `fast` way, where that is right and faster.

    `choices` holds what was found for each kind of layer and shape, and is shared by all layers of a model.
    """

    def __init__(self, conv: nn.Conv3d, tolerance: float, choices: Choices) -> None:
        super().__init__()
        self.conv = conv
        self.tolerance = tolerance
        self.choices = choices

    def plain(self, *inputs: Any) -> Tensor:
        """The steps one after another."""
        raise NotImplementedError

    def fast(self, *inputs: Any) -> Tensor:
        """The same otherwise."""
        raise NotImplementedError

    def forward(self, *inputs: Tensor) -> Tensor:
        # Another batch size is another kind: cuDNN computes it in another way, and that has not been tried.
        kind = (type(self), self.conv.weight.shape, self.conv.stride, *(each.shape for each in inputs))
        if kind not in self.choices:
            self.choices[kind] = self._is_better(*inputs)
        return self.fast(*inputs) if self.choices[kind] else self.plain(*inputs)

    def _is_better(self, *inputs: Tensor) -> bool:
        """Whether the fast way gives what the plain one gives, and sooner. Lets OutOfMemoryError through."""
        expected = self.plain(*inputs)
        try:
            self.fast(*inputs)  # cuDNN tries its kernels, each on the same memory: one may clean it for the next
            found = self._fast_over_nans(expected, *inputs)
            error = relative_error(found, expected)
            del found, expected
            if not error < self.tolerance:  # NaN is not, either
                log.info("cuDNN's fast %s is off by %.0e: left out", self.conv, error)
                return False
            plain = milliseconds(lambda: self.plain(*inputs))
            fast = milliseconds(lambda: self.fast(*inputs))
        except torch.cuda.OutOfMemoryError:
            raise
        except (RuntimeError, AttributeError, TypeError) as failure:
            reason = str(failure).splitlines()[0]
            log.info("cuDNN's fast %s does not run (%s): left out", self.conv, reason)
            return False
        log.debug("%s: %.3f ms plain, %.3f ms fast", self.conv, plain, fast)
        return fast < plain

    def _fast_over_nans(self, like: Tensor, *inputs: Tensor) -> Tensor:
        """`fast`, its result in memory that held NaN before.

        Without a shortcut torch has cuDNN add zero times what the result's memory holds, and zero times NaN is NaN.
        """
        nans = torch.full_like(like, torch.nan)
        del nans  # the allocator hands the same memory out again
        return self.fast(*inputs)


class RectifiedConv(TwoWays):
    """A convolution, to which a shortcut may be added, then ReLU."""

    def plain(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:  # type: ignore[override]
        result = self.conv(x)
        if shortcut is not None:
            result.add_(shortcut)
        return result.relu_()

    def fast(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """All by one call of cuDNN."""
        conv = self.conv
        geometry: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)
        if shortcut is None:
            return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry)
        return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, conv.bias, *geometry)


class PackedConv(TwoWays):
    """The network's first convolution, 5x7x7 by steps of 2, on frames (B, 3, T, H, W) of even height and width."""

    def __init__(self, conv: nn.Conv3d, tolerance: float, choices: Choices) -> None:
        super().__init__(conv, tolerance, choices)
        self.weight, self.bias, self.out_channels = conv.weight, conv.bias, conv.out_channels
        self._packed = packed_weight(conv.weight)

    def plain(self, frames: Tensor) -> Tensor:  # type: ignore[override]
        return self.conv(frames)

    def fast(self, frames: Tensor) -> Tensor:  # type: ignore[override]
        """As 5x4x4 by steps of 2, 1 and 1, over blocks of 2x2 pixels."""
        return F.conv3d(packed(frames), self._packed, self.bias, stride=(2, 1, 1))


def packed(frames: Tensor) -> Tensor:
    """Blocks of 2x2 pixels as one of 4 times the channels, filled up to a multiple of 8 for the GPU's matrix units.

    (B, C, T, H, W) to (B, 16, T + 4, H/2 + 3, W/2 + 3) for three channels, channels last, with zeros around them as the
    first convolution has them. H and W are even.
    """
    batch, channels, depth, *sizes = frames.shape
    height, width = (size // 2 for size in sizes)
    blocks = frames.new_zeros((batch, depth + 4, height + 3, width + 3, _filled(4 * channels)))
    pixels = frames.permute(0, 2, 3, 4, 1).reshape(batch, depth, height, 2, width, 2, channels)
    inner = blocks[:, 2:-2, 2:-1, 2:-1, : 4 * channels].unflatten(-1, (2, 2, channels))
    inner.copy_(pixels.permute(0, 1, 2, 4, 3, 5, 6))
    return blocks.permute(0, 4, 1, 2, 3)


def packed_weight(weight: Tensor) -> Tensor:
    """The first convolution's weight (O, C, 5, 7, 7) for `packed` frames, (O, 16, 5, 4, 4) for three channels.

    In a picture its taps begin 3 pixels before a place of even number: with a tap of zero before them, pairs of taps
    meet pairs of pixels.
    """
    outputs, channels = weight.shape[:2]
    taps = F.pad(weight, (1, 0, 1, 0)).reshape(outputs, channels, 5, 4, 2, 4, 2).permute(0, 4, 6, 1, 2, 3, 5)
    blocks = taps.reshape(outputs, 4 * channels, 5, 4, 4)
    filled = F.pad(blocks, (0, 0, 0, 0, 0, 0, 0, _filled(4 * channels) - 4 * channels))
    return filled.contiguous(memory_format=torch.channels_last_3d)


def _filled(channels: int) -> int:
    return -(-channels // 8) * 8


def relative_error(found: Tensor, expected: Tensor) -> float:
    """L2 distance of one tensor from another over the other's norm. `found` is overwritten: memory may be short."""
    distance = torch.linalg.vector_norm(found.sub_(expected), dtype=torch.float32)
    return float(distance / torch.linalg.vector_norm(expected, dtype=torch.float32))


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
