"""The network's layers, fused for a GPU by cuDNN.

A convolution's bias, the shortcut and ReLU cost a pass over memory each, and memory bandwidth limits a MIG slice in
half precision. cuDNN can apply all of them while the convolution's result is still on the chip. Biases that no such
call accepts are moved to where they cost less.

The first convolution has three input channels, for which there is no good kernel: over blocks of 2x2 pixels, padded to
16 channels, it takes less than half the time (`python -m bench.gpu_visit tries first`).

Whether a fast way is correct and faster depends on the GPU, the precision and the layer, so each one is tried on its
first input.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i3d.backbones.i3d_r50.layers import Bottleneck, I3DResNet50

REPEATS = 3  # timed calls of each variant

log = logging.getLogger(__name__)

Choices = dict[tuple[object, ...], bool]  # whether to use the fast way, by kind of layer and shapes


def fuse(model: I3DResNet50, tolerance: float) -> None:
    """Replace the first convolution and the blocks of a model with folded batch norms, in place.

    `tolerance` is the relative L2 distance up to which two results of a layer count as equal.
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
    """A `Bottleneck` with folded batch norms."""

    def __init__(self, block: Bottleneck, tolerance: float, choices: Choices) -> None:
        super().__init__()
        if block.downsample is not None:  # its result is added to conv3's, and so can its bias be
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
    """A convolution and what follows it, in `plain` steps, or the `fast` way if that is correct and faster.

    All layers of a model share `choices`, so that layers of one kind and shape are tried once.
    """

    def __init__(self, conv: nn.Conv3d, tolerance: float, choices: Choices) -> None:
        super().__init__()
        self.conv = conv
        self.tolerance = tolerance
        self.choices = choices

    def plain(self, *inputs: Any) -> Tensor:
        """Compute the layer step by step."""
        raise NotImplementedError

    def fast(self, *inputs: Any) -> Tensor:
        """Compute the same the fast way."""
        raise NotImplementedError

    def forward(self, *inputs: Tensor) -> Tensor:
        # Another batch size counts as another kind, because cuDNN may choose another kernel for it.
        kind = (type(self), self.conv.weight.shape, self.conv.stride, *(each.shape for each in inputs))
        if kind not in self.choices:
            self.choices[kind] = self._is_better(*inputs)
        return self.fast(*inputs) if self.choices[kind] else self.plain(*inputs)

    def _is_better(self, *inputs: Tensor) -> bool:
        """Whether the fast way agrees with the plain one and takes less time. Raises OutOfMemoryError."""
        expected = self.plain(*inputs)
        try:
            self.fast(*inputs)  # cuDNN tries its kernels on the same memory, and one may clear it for the next
            result = self._fast_over_nans(expected, *inputs)
            error = relative_error(result, expected)
            del result, expected
            if not error < self.tolerance:  # also if NaN
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
        """Run `fast` with its result in memory that held NaN before.

        Without a shortcut torch makes cuDNN add zero times the previous content of the result, and zero times NaN is
        NaN.
        """
        nans = torch.full_like(like, torch.nan)
        del nans  # the allocator reuses this memory next
        return self.fast(*inputs)


class RectifiedConv(TwoWays):
    """A convolution, the addition of a shortcut if given, and ReLU."""

    def plain(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:  # type: ignore[override]
        result = self.conv(x)
        if shortcut is not None:
            result.add_(shortcut)
        return result.relu_()

    def fast(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Compute all steps in one call of cuDNN."""
        conv = self.conv
        geometry: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)
        if shortcut is None:
            return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry)
        return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, conv.bias, *geometry)


class PackedConv(TwoWays):
    """The first convolution, 5x7x7 with stride 2, on frames (B, 3, T, H, W) of even height and width."""

    def __init__(self, conv: nn.Conv3d, tolerance: float, choices: Choices) -> None:
        super().__init__(conv, tolerance, choices)
        self.weight, self.bias, self.out_channels = conv.weight, conv.bias, conv.out_channels
        self._packed = packed_weight(conv.weight)

    def plain(self, frames: Tensor) -> Tensor:  # type: ignore[override]
        return self.conv(frames)

    def fast(self, frames: Tensor) -> Tensor:  # type: ignore[override]
        """Convolve blocks of 2x2 pixels instead, 5x4x4 with strides 2, 1 and 1."""
        return F.conv3d(packed(frames), self._packed, self.bias, stride=(2, 1, 1))


def packed(frames: Tensor) -> Tensor:
    """Pack blocks of 2x2 pixels into 4 times the channels, padded to a multiple of 8 for the GPU's matrix units.

    Maps (B, C, T, H, W), H and W even, to (B, 16, T + 4, H/2 + 3, W/2 + 3) for three channels, channels last, with the
    zero padding of the first convolution.
    """
    batch, channels, depth, *sizes = frames.shape
    height, width = (size // 2 for size in sizes)
    blocks = frames.new_zeros((batch, depth + 4, height + 3, width + 3, _filled(4 * channels)))
    pixels = frames.permute(0, 2, 3, 4, 1).reshape(batch, depth, height, 2, width, 2, channels)
    inner = blocks[:, 2:-2, 2:-1, 2:-1, : 4 * channels].unflatten(-1, (2, 2, channels))
    inner.copy_(pixels.permute(0, 1, 2, 4, 3, 5, 6))
    return blocks.permute(0, 4, 1, 2, 3)


def packed_weight(weight: Tensor) -> Tensor:
    """Rearrange the first convolution's weight (O, C, 5, 7, 7) for `packed` frames: (O, 16, 5, 4, 4) for C = 3.

    The taps start 3 pixels before an even position, so a zero tap in front makes pairs of taps meet pairs of pixels.
    """
    outputs, channels = weight.shape[:2]
    taps = F.pad(weight, (1, 0, 1, 0)).reshape(outputs, channels, 5, 4, 2, 4, 2).permute(0, 4, 6, 1, 2, 3, 5)
    blocks = taps.reshape(outputs, 4 * channels, 5, 4, 4)
    filled = F.pad(blocks, (0, 0, 0, 0, 0, 0, 0, _filled(4 * channels) - 4 * channels))
    return filled.contiguous(memory_format=torch.channels_last_3d)


def _filled(channels: int) -> int:
    return -(-channels // 8) * 8


def relative_error(found: Tensor, expected: Tensor) -> float:
    """L2 distance relative to the norm of `expected`. Overwrites `found`, because memory may be short."""
    distance = torch.linalg.vector_norm(found.sub_(expected), dtype=torch.float32)
    return float(distance / torch.linalg.vector_norm(expected, dtype=torch.float32))


def milliseconds(run: Callable[[], object]) -> float:
    """Measure the GPU time of one call in ms, after a first call in which cuDNN tunes itself."""
    run()
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    for _ in range(REPEATS):
        run()
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended) / REPEATS
