"""The network's blocks as a CPU computes them fastest, by oneDNN.

Each convolution's weights are laid out once instead of on every call, and the addition of the shortcut and the
rectification happen while a convolution's result is still in the cache. The operations are torch's own for compiled
models.
"""

import logging

import torch
from torch import Tensor, nn

from i3d.backbones.i3d_r50.layers import Bottleneck, I3DResNet50, fold_batch_norm

log = logging.getLogger(__name__)


def fuse(model: I3DResNet50, dtype: torch.dtype, tolerance: float) -> None:
    """Replace the blocks of a model with folded batch norms, in place.

    They are left as they are where oneDNN lacks the type, and where its results are not within `tolerance` (relative
    L2 distance) of theirs.
    """
    if supported(dtype) and agrees(dtype, tolerance):
        for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
            for index, block in enumerate(stage):
                stage[index] = FusedBottleneck(block)  # type: ignore[arg-type]


def supported(dtype: torch.dtype) -> bool:
    """Whether torch has oneDNN, and that this processor's instructions for the type."""
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if dtype == torch.float16:
        return torch.ops.mkldnn._is_mkldnn_fp16_supported()
    return True


@torch.inference_mode()
def agrees(dtype: torch.dtype, tolerance: float) -> bool:
    """Whether a small fused block gives what the plain one does: the operations are no public part of torch."""
    generator = torch.Generator().manual_seed(0)
    plain = fold_batch_norm(Bottleneck(16, 8, stride=2, temporal=True, downsample=True).eval())
    for parameter in plain.parameters():
        parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    plain.to(dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    images = torch.rand((1, 16, 4, 6, 6), generator=generator).to(dtype, memory_format=torch.channels_last_3d)
    try:
        found, expected = FusedBottleneck(plain)(images).float(), plain(images).float()
    except (AttributeError, RuntimeError, TypeError) as failure:
        reason = str(failure).splitlines()[0]
        log.warning("torch %s has other fused convolutions (%s): going on without, slower", torch.__version__, reason)
        return False
    error = float((found - expected).norm() / expected.norm())
    if not error < tolerance:  # NaN is not, either
        log.warning("torch %s's fused convolutions are off by %.0e: going on without, slower", torch.__version__, error)
        return False
    return True


class FusedBottleneck(nn.Module):
    """A `Bottleneck` whose batch norms are folded. Without a downsampling it overwrites its input."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.conv1 = FusedConv(block.conv1, "relu")
        self.conv2 = FusedConv(block.conv2, "relu")
        self.conv3 = FusedConv(block.conv3, "relu")
        self.downsample = None if block.downsample is None else FusedConv(block.downsample[0], "none")  # type: ignore[arg-type]
        self.nl = block.nl

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv3.add_to(shortcut, self.conv2(self.conv1(x)))
        return x if self.nl is None else self.nl(x)


class FusedConv(nn.Module):
    """A convolution, then `activation`: relu or none."""

    def __init__(self, conv: nn.Conv3d, activation: str) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation = activation
        self._laid_out: Tensor | None = None  # the weights as oneDNN wants them for the first input's shape

    def forward(self, x: Tensor) -> Tensor:
        convolve = torch.ops.mkldnn._convolution_pointwise
        return convolve(x, self._weights(x), self.bias, *self.geometry, self.activation, [], "")

    def add_to(self, shortcut: Tensor, x: Tensor) -> Tensor:
        """The same, added to the shortcut before the activation, in the shortcut's memory."""
        convolve = torch.ops.mkldnn._convolution_pointwise_.binary
        weights = self._weights(x)
        return convolve(shortcut, x, weights, self.bias, *self.geometry, "add", 1.0, self.activation, [], "")

    def _weights(self, x: Tensor) -> Tensor:
        if self._laid_out is None:
            lay_out = torch.ops.aten.mkldnn_reorder_conv3d_weight
            self._laid_out = lay_out(self.weight.to_mkldnn(), *self.geometry, list(x.shape))
            del self.weight
        return self._laid_out
