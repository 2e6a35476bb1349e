"""The network's blocks, fused for a CPU by oneDNN.

Each convolution's weights are laid out once instead of on every call, and the shortcut is added and ReLU applied while
the convolution's result is still in the cache. torch uses the same operations in compiled models.
"""

import logging

import torch
from torch import Tensor, nn

from i3d.backbones.i3d_r50.layers import Bottleneck, I3DResNet50, fold_batch_norm

log = logging.getLogger(__name__)


def fuse(model: I3DResNet50, dtype: torch.dtype, tolerance: float) -> None:
    """Replace the blocks of a model with folded batch norms, in place.

    The blocks are kept if oneDNN lacks the type, or if a fused block's result is not within `tolerance` (relative L2
    distance) of a plain one's.
    """
    if supported(dtype) and agrees(dtype, tolerance):
        for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
            for index, block in enumerate(stage):
                stage[index] = FusedBottleneck(block)  # type: ignore[arg-type]


def supported(dtype: torch.dtype) -> bool:
    """Whether torch has oneDNN, and oneDNN supports the type on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if dtype == torch.float16:
        return torch.ops.mkldnn._is_mkldnn_fp16_supported()
    return True


@torch.inference_mode()
def agrees(dtype: torch.dtype, tolerance: float) -> bool:
    """Whether a small fused block agrees with the plain one: the operations are not a public part of torch."""
    generator = torch.Generator().manual_seed(0)
    plain = fold_batch_norm(Bottleneck(16, 8, stride=2, temporal=True, downsample=True).eval())
    for parameter in plain.parameters():
        parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    plain.to(dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    images = torch.rand((1, 16, 4, 6, 6), generator=generator).to(dtype, memory_format=torch.channels_last_3d)
    try:
        fused, expected = FusedBottleneck(plain)(images).float(), plain(images).float()
    except (AttributeError, RuntimeError, TypeError) as failure:
        reason = str(failure).splitlines()[0]
        log.warning("torch %s has other fused convolutions (%s): slower ones are used", torch.__version__, reason)
        return False
    error = float((fused - expected).norm() / expected.norm())
    if not error < tolerance:  # also if NaN
        log.warning("torch %s's fused convolutions are off by %.0e: slower ones are used", torch.__version__, error)
        return False
    return True


class FusedBottleneck(nn.Module):
    """A `Bottleneck` with folded batch norms. Without downsampling it overwrites its input."""

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
    """A convolution followed by `activation`: relu or none."""

    def __init__(self, conv: nn.Conv3d, activation: str) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation = activation
        self._laid_out: Tensor | None = None  # the weights in oneDNN's layout for the first input's shape

    def forward(self, x: Tensor) -> Tensor:
        convolve = torch.ops.mkldnn._convolution_pointwise
        return convolve(x, self._weights(x), self.bias, *self.geometry, self.activation, [], "")

    def add_to(self, shortcut: Tensor, x: Tensor) -> Tensor:
        """Convolve, add the shortcut, then activate; the result overwrites the shortcut."""
        convolve = torch.ops.mkldnn._convolution_pointwise_.binary
        weights = self._weights(x)
        return convolve(shortcut, x, weights, self.bias, *self.geometry, "add", 1.0, self.activation, [], "")

    def _weights(self, x: Tensor) -> Tensor:
        if self._laid_out is None:
            lay_out = torch.ops.aten.mkldnn_reorder_conv3d_weight
            self._laid_out = lay_out(self.weight.to_mkldnn(), *self.geometry, list(x.shape))
            del self.weight
        return self._laid_out
