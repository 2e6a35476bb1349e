"""Candidates for the network on a GPU: each is a switch here, and enters the product once a measurement speaks for it.

A try is a function that gives its own way and the way it would replace, as calls without arguments. Measured on an
H100 in bf16 and left out (milliseconds, and those of the way of then): pooling by maxima of slices 1.22, 1.02; the
first convolution of 8 padded channels 9.33, 9.95, in NCDHW 11.2, 9.96; the stages in a CUDA graph 18.2, 18.5. Taken
over: the first convolution over blocks of 2x2 pixels, packing included, 4.11, against 7.37 over blocks of 2x2x2 and
22.9 as it is.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.gpu_visit.measuring import CUDA, device, milliseconds, result
from i3d.backbones import backbone
from i3d.backbones.i3d_r50.fused_cuda import PackedConv, RectifiedConv, fuse, packed, packed_weight
from i3d.backbones.i3d_r50.layers import I3DResNet50

Way = Callable[[], Tensor]

LAST = torch.channels_last_3d
BATCH, SIZE, STEM = (20, (256, 340), 55) if CUDA else (1, (32, 40), 7)
TOLERANCE = 1e-2


def dtype() -> torch.dtype:
    """bf16 on a GPU; a CPU without its instructions takes minutes."""
    return torch.bfloat16 if CUDA else torch.float32


def conv(inputs: int, outputs: int, kernel: tuple[int, int, int], **options: object) -> nn.Conv3d:
    """A convolution on the device."""
    torch.manual_seed(0)
    made = nn.Conv3d(inputs, outputs, kernel, **options)  # type: ignore[arg-type]
    return made.to(device(), dtype()).to(memory_format=LAST).requires_grad_(False)  # type: ignore[call-overload]


def values(*shape: int) -> Tensor:
    """Random numbers on the device, channels last."""
    return (torch.rand(shape, device=device()) - 0.5).to(dtype()).contiguous(memory_format=LAST)


def _first() -> tuple[nn.Conv3d, Tensor]:
    return conv(3, 64, (5, 7, 7), stride=2, padding=(2, 3, 3)), values(BATCH, 3, 16, *SIZE)


def first() -> tuple[Way, Way]:
    """The product's first convolution, over blocks of 2x2 pixels, against the plain one."""
    plain, frames = _first()
    layer = PackedConv(plain, TOLERANCE, {})
    return lambda: layer.fast(frames), lambda: layer.plain(frames)


def packing() -> tuple[Way, Way]:
    """How much of that is putting the pixels in order: the second way is the convolution alone."""
    plain, frames = _first()
    layer, ready = PackedConv(plain, TOLERANCE, {}), packed(frames)
    weight = packed_weight(plain.weight)
    return lambda: layer.fast(frames), lambda: F.conv3d(ready, weight, plain.bias, stride=(2, 1, 1))


def _pointwise(inputs: int, outputs: int) -> tuple[RectifiedConv, Tensor, Way]:
    layer = RectifiedConv(conv(inputs, outputs, (1, 1, 1)), TOLERANCE, {})
    x = values(10 * BATCH, inputs, 2, STEM // 2, STEM // 2)
    weight, bias = layer.conv.weight.reshape(outputs, inputs).t(), layer.conv.bias

    def product() -> Tensor:
        flat = torch._addmm_activation(bias, x.permute(0, 2, 3, 4, 1).reshape(-1, inputs), weight)
        return flat.view(len(x), *x.shape[2:], outputs).permute(0, 4, 1, 2, 3)

    return layer, x, product


def matrix_product() -> tuple[Way, Way]:
    """A 1x1x1 convolution with ReLU as a matrix product, against cuDNN's single call."""
    layer, x, product = _pointwise(512, 128)
    return product, lambda: layer.fast(x)


def two_dimensions() -> tuple[Way, Way]:
    """A 1x3x3 convolution as one of two dimensions, frames in the batch, against cuDNN's single call."""
    layer = RectifiedConv(conv(64, 64, (1, 3, 3), padding=(0, 1, 1)), TOLERANCE, {})
    x = values(10 * BATCH, 64, 4, STEM, STEM)
    weight = layer.conv.weight[:, :, 0].contiguous(memory_format=torch.channels_last)

    def flat() -> Tensor:
        images = x.permute(0, 2, 1, 3, 4).flatten(0, 1)
        images = torch.cudnn_convolution_relu(images, weight, layer.conv.bias, (1, 1), (1, 1), (1, 1), 1)
        return images.unflatten(0, (len(x), 4)).permute(0, 2, 1, 3, 4)

    return flat, lambda: layer.fast(x)


def _models() -> tuple[I3DResNet50, I3DResNet50, Tensor]:
    """Plain and as the product has it, and the stages' input."""
    network = backbone("i3d_r50")
    plain, fast = (network.plain(network.random_weights()).to(device(), dtype()) for _ in range(2))
    for model in (plain, fast):
        model.to(memory_format=LAST)  # type: ignore[call-overload]
    fuse(fast, TOLERANCE)  # type: ignore[arg-type]
    return plain, fast, values(10 * BATCH, 64, 4, STEM, STEM)  # type: ignore[return-value]


def plain_stages() -> tuple[Way, Way]:
    """The stages by plain layers, against the product's."""
    plain, fast, x = _models()
    return lambda: plain.trunk(x), lambda: fast.trunk(x)


def compiled_stages() -> tuple[Way, Way]:
    """The stages as torch.compile makes them, which takes a minute, against the product's."""
    plain, fast, x = _models()
    compiled = torch.compile(plain.trunk, dynamic=False)
    return lambda: compiled(x), lambda: fast.trunk(x)


ALL = (first, packing, matrix_product, two_dimensions, plain_stages, compiled_stages)
TRIES = {each.__name__: each for each in ALL}
ON_A_GPU_ALONE = ("matrix_product", "two_dimensions", "plain_stages", "compiled_stages")  # cuDNN's calls


@torch.inference_mode()
def run(name: str) -> None:
    """Measure one and print the result; an error is a result, too."""
    if name in ON_A_GPU_ALONE and not CUDA:
        result(f"try {name}: left out without a GPU")
        return
    try:
        new, old = TRIES[name]()
        found, expected = new().float(), old().float()
        error = float((found - expected).norm() / expected.norm())
        result(f"try {name}: {milliseconds(new):.2f} ms against {milliseconds(old):.2f} ms, error {error:.1e}")
    except Exception as failure:
        result(f"try {name}: RAISES {type(failure).__name__}: {str(failure)[:200]}")
