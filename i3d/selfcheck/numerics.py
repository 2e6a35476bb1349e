"""Are the numbers right? Each precision against stored features, the user's weights against plain kernels, and the
layers one by one.

*Plain kernels* are torch's own, with cuDNN or oneDNN switched off and no TF32: slow, and nothing to go wrong in.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i3d import process
from i3d.backbones.backbone import Backbone
from i3d.backbones.i3d_r50 import fused_cpu
from i3d.backbones.library_network import resized
from i3d.network.engine import DTYPES
from i3d.specs import CENTRE_CROP, CROP, PRECISIONS


@dataclass(frozen=True)
class Verdict:
    """How far results lie from what they should be: relative L2, the worst crop's or layer's."""

    error: float
    tolerance: float
    where: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # false for NaN

    def __str__(self) -> str:
        where = f" in {self.where}" if self.where else ""
        return f"error {self.error:.1e}{where}, {'at most' if self.passed else 'allowed is'} {self.tolerance:.0e}"


def why_left_out(precision: str, device: torch.device) -> str | None:
    """Why this device does not compute in a precision, or not in sensible time; None if it does."""
    if device.type == "cuda" or precision == "fp32":
        return None
    if precision == "tf32":
        return "a CPU has no tf32"
    return None if fused_cpu.supported(DTYPES[precision]) else f"this CPU has no instructions for {precision}"


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative L2 distance along the last axis; infinite where `found` is not finite."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        distance = np.linalg.norm(found.astype(np.float64) - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    return np.where(np.isfinite(distance), distance, np.inf)


def compare_features(found: np.ndarray, expected: np.ndarray, precision: str) -> Verdict:
    """Judge features (B, crops, dim) by the precision's tolerance; `expected` may lack the first axis."""
    errors = relative_error(found, np.broadcast_to(expected, found.shape))
    crop = int(errors.max(0).argmax())
    return Verdict(float(errors.max()), PRECISIONS[precision].tolerance, f"crop {crop}")


@contextmanager
def plain_kernels(device: torch.device) -> Iterator[None]:
    """Without cuDNN or oneDNN, and without TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    flags = torch.backends.cudnn.flags if device.type == "cuda" else torch.backends.mkldnn.flags
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration on top of oneDNN")  # said of every machine without one
        try:
            torch.backends.cuda.matmul.allow_tf32 = False
            with flags(enabled=False):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


def centre_crop(snippet: np.ndarray, backbone: Backbone, normalization: str) -> Tensor:
    """A snippet's centre crop as the network takes it: uint8 (T, 256, 340, 3) to float32 (1, 3, T, 224, 224).

    A network of another input size gets it in that size.
    """
    top, left = CENTRE_CROP
    window = torch.from_numpy(snippet[:, top : top + CROP, left : left + CROP]).permute(3, 0, 1, 2)[None]
    crop = resized(backbone.normalised(window.float(), normalization), backbone)
    return crop.contiguous(memory_format=torch.channels_last_3d)


@torch.inference_mode()
def plain_features(model: nn.Module, crop: Tensor, device: torch.device) -> np.ndarray:
    """Features (1, dim) of a crop by plain kernels; `model` is a backbone's plain one."""
    with plain_kernels(device):
        return model.to(device)(crop.to(device)).cpu().numpy()


@torch.inference_mode()
def check_layers(model: nn.Module, crop: Tensor, device: torch.device, precision: str) -> Verdict:
    """Compare each convolution and linear layer of another shape with plain kernels on the same inputs.

    `model` is a backbone's plain one. What the other layers pass on is what this precision gives them. Returns the
    worst. The tolerance is that of features: rounding to the type gives 4e-4 (tf32), 2e-3 (bf16) and 2e-4 (fp16), a
    wrong kernel a multiple.
    """
    dtype = DTYPES[precision]
    model = model.to(device, dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    kinds = (nn.Conv3d, nn.Conv2d, nn.Linear)
    names = {module: name for name, module in model.named_modules() if isinstance(module, kinds)}
    errors: dict[tuple[object, ...], tuple[float, str]] = {}

    def compare(layer: nn.Conv3d | nn.Conv2d | nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
        shape = (inputs[0].shape, layer.weight.shape, getattr(layer, "stride", None))
        if shape in errors:
            return
        values, weight = inputs[0].float().contiguous(), layer.weight.float().contiguous()
        bias = None if layer.bias is None else layer.bias.float()
        with plain_kernels(device):
            if isinstance(layer, nn.Linear):
                expected = F.linear(values, weight, bias)
            else:
                convolve = F.conv3d if isinstance(layer, nn.Conv3d) else F.conv2d
                expected = convolve(values, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)  # type: ignore[arg-type]
        error = float((output.float() - expected).norm() / expected.norm())
        errors[shape] = (error if np.isfinite(error) else np.inf, names[layer])

    handles = [layer.register_forward_hook(compare) for layer in names]  # type: ignore[arg-type]
    process.tune_torch(tf32=precision == "tf32")
    try:
        model(crop.to(device, dtype))
    finally:
        for handle in handles:
            handle.remove()
    error, name = max(errors.values())
    return Verdict(error, PRECISIONS[precision].tolerance, f"{name} of {len(errors)} kinds of layer")
