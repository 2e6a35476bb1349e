"""I3D-ResNet50, as a feature extractor.

A 2D ResNet-50 inflated to video (Carreira & Zisserman 2017, arXiv:1705.07750; the ResNet variant and the non-local
blocks are from Wang et al. 2018, arXiv:1711.07971). The state dict has the names of the published PyTorch port of the
Caffe2 weights, so its files load unchanged.

Shapes below: B clips, T frames, H x W pixels; an input clip is (B, 3, 16, 224, 224).
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# For each block of a stage, whether its first convolution spans 3 frames (1) or 1 (0).
TEMPORAL_KERNELS = {1: (1, 1, 1), 2: (1, 0, 1, 0), 3: (1, 0, 1, 0, 1, 0), 4: (0, 1, 0)}
NONLOCAL_BLOCKS = {2: (1, 3), 3: (1, 3, 5)}  # stage -> blocks followed by a non-local block
EXPANSION = 4  # ratio of a block's output channels to its width

Model = TypeVar("Model", bound=nn.Module)


class Bottleneck(nn.Module):
    """1x1x1 (or 3x1x1), 1x3x3 and 1x1x1 convolutions with a shortcut around them."""

    def __init__(self, inputs: int, width: int, stride: int, temporal: bool, downsample: bool) -> None:
        super().__init__()
        outputs = width * EXPANSION
        span = 1 if temporal else 0
        self.conv1 = nn.Conv3d(inputs, width, (1 + 2 * span, 1, 1), padding=(span, 0, 0), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Sequential | None = None
        if downsample:
            conv = nn.Conv3d(inputs, outputs, 1, stride=(1, stride, stride), bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm3d(outputs))
        self.nl: NonLocal | None = None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        x = F.relu(x.add_(shortcut), inplace=True)
        return x if self.nl is None else self.nl(x)


class NonLocal(nn.Module):
    """Embedded-Gaussian attention over all positions and times, keys and values pooled 2x2 in space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = channels // 2
        self.theta = nn.Conv3d(channels, self.inner, 1)
        self.phi = nn.Conv3d(channels, self.inner, 1)
        self.g = nn.Conv3d(channels, self.inner, 1)
        self.out = nn.Conv3d(self.inner, channels, 1)
        self.bn = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = halve(halve(x, 4), 3)
        query = self.theta(x).flatten(2)  # (B, C, N), N = T*H*W
        key = self.phi(pooled).flatten(2)  # (B, C, M), M = N/4
        value = self.g(pooled).flatten(2)  # (B, C, M)
        # Most of the scaling precedes the product, which would overflow fp16; a power of two adds no rounding.
        before = 2.0 ** -math.ceil(math.log2(self.inner) / 2)
        similarity = (query * before).transpose(1, 2) @ key * (self.inner**-0.5 / before)
        weight = torch.softmax(similarity, dim=-1)  # (B, N, M)
        attended = (value @ weight.transpose(1, 2)).unflatten(2, x.shape[2:])  # (B, C, T, H, W)
        return x + self.bn(self.out(attended))


class I3DResNet50(nn.Module):
    """Maps normalised clips, float (B, 3, T, 224, 224), to features (B, 2048).

    `fc`, the Kinetics-400 classifier, lets published weights load whole; features do not use it.
    """

    def __init__(self, nonlocal_blocks: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (5, 7, 7), stride=2, padding=(2, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = _stage(1, 64, nonlocal_blocks)
        self.layer2 = _stage(2, 256, nonlocal_blocks)
        self.layer3 = _stage(3, 512, nonlocal_blocks)
        self.layer4 = _stage(4, 1024, nonlocal_blocks)
        self.fc: nn.Module = nn.Linear(2048, 400)
        self.bias_after_pooling: Tensor | None = None  # conv1's, (64, 1, 1, 1), if conv1 does not add it

    def forward(self, x: Tensor) -> Tensor:
        return self.trunk(self.stem(x))  # (B, 2048)

    def stem(self, x: Tensor) -> Tensor:
        """Apply the first convolution and pooling: (B, 3, 16, 224, 224) to (B, 64, 4, 55, 55)."""
        return self.pool(self.bn1(self.conv1(x)))

    def pool(self, x: Tensor) -> Tensor:
        """Pool, then apply ReLU (less work than before pooling): (B, 64, 8, 112, 112) to (B, 64, 4, 55, 55)."""
        x = F.max_pool3d(x, (2, 3, 3), stride=2)
        if self.bias_after_pooling is not None:
            x.add_(self.bias_after_pooling)
        return F.relu(x, inplace=True)

    def trunk(self, x: Tensor) -> Tensor:
        """Apply the four stages and average: (B, 64, 4, 55, 55) to (B, 2048)."""
        x = self.layer1(x)  # (B, 256, 4, 55, 55)
        x = halve(x, 2)  # (B, 256, 2, 55, 55)
        x = self.layer2(x)  # (B, 512, 2, 28, 28)
        x = self.layer3(x)  # (B, 1024, 2, 14, 14)
        x = self.layer4(x)  # (B, 2048, 2, 7, 7)
        return x.mean((2, 3, 4), dtype=torch.float32)  # (B, 2048)


def halve(x: Tensor, axis: int) -> Tensor:
    """Max-pool by two along one axis, dropping a last odd element.

    Faster than `F.max_pool3d`, which also writes the index of every maximum in eight bytes.
    """
    even, odd = (slice(start, x.shape[axis] // 2 * 2, 2) for start in (0, 1))
    before = (slice(None),) * axis
    return torch.maximum(x[*before, even], x[*before, odd])


def _stage(stage: int, channels: int, nonlocal_blocks: bool) -> nn.Sequential:
    """Make the blocks of one stage, for inputs of `channels` channels."""
    width = 64 * 2 ** (stage - 1)
    blocks = nn.Sequential()
    for index, spans_time in enumerate(TEMPORAL_KERNELS[stage]):
        stride = 2 if index == 0 and stage > 1 else 1
        block = Bottleneck(channels, width, stride, bool(spans_time), downsample=index == 0)
        channels = width * EXPANSION
        if nonlocal_blocks and index in NONLOCAL_BLOCKS.get(stage, ()):
            block.nl = NonLocal(channels)
        blocks.append(block)
    return blocks


def empty_model(nonlocal_blocks: bool) -> I3DResNet50:
    """Make a model on the meta device: shapes without memory or initialisation."""
    with torch.device("meta"):
        return I3DResNet50(nonlocal_blocks)


def build_model(nonlocal_blocks: bool, state_dict: Mapping[str, Tensor]) -> I3DResNet50:
    """Make the model in inference mode with these float32 weights, batch norms folded into the convolutions.

    `fc` and `num_batches_tracked` may be missing.
    """
    model = empty_model(nonlocal_blocks)
    model.load_state_dict(state_dict, assign=True, strict=False)
    model.fc = nn.Identity()
    return fold_batch_norm(model.eval().requires_grad_(False))


def fold_batch_norm(model: Model) -> Model:
    """Fold each batch norm of the network, or of a part of it, into the convolution before it, in place.

    In inference gamma * (conv(x) - mean) / sqrt(var + eps) + beta is a convolution with scaled weights and a bias.
    """
    pairs: list[tuple[nn.Module, str, str]] = []
    for module in model.modules():
        if isinstance(module, I3DResNet50):
            pairs.append((module, "conv1", "bn1"))
        elif isinstance(module, Bottleneck):
            pairs += [(module, f"conv{i}", f"bn{i}") for i in (1, 2, 3)]
            if module.downsample is not None:
                pairs.append((module.downsample, "0", "1"))
        elif isinstance(module, NonLocal):
            pairs.append((module, "out", "bn"))
    for parent, conv, norm in pairs:
        setattr(parent, conv, torch.nn.utils.fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm)))
        setattr(parent, norm, nn.Identity())
    return model
