"""Are the numbers right? Each precision against stored features, the user's weights against plain kernels, and the
convolutions one by one.

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

from i3d.network.crops import normalise
from i3d.network.model import I3DResNet50
from i3d.specs import CENTRE_CROP, CROP, PRECISIONS

# Of one convolution, relative to fp32 on the same inputs. Rounding to the type gives 4e-4 (tf32), 2e-3 (bf16) and
# 2e-4 (fp16); a wrong kernel gives a multiple.
LAYER_TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 1e-2, "fp16": 2e-3}


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


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative L2 distance along the last axis; infinite where `found` is not finite."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        distance = np.linalg.norm(found.astype(np.float64) - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    return np.where(np.isfinite(distance), distance, np.inf)


def compare_features(found: np.ndarray, expected: np.ndarray, precision: str) -> Verdict:
    """Judge features (B, crops, 2048) by the precision's tolerance; `expected` may lack the first axis."""
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


def centre_crop(snippet: np.ndarray, normalization: str) -> Tensor:
    """A snippet's centre crop as the network takes it: uint8 (T, 256, 340, 3) to float32 (1, 3, T, 224, 224)."""
    top, left = CENTRE_CROP
    window = torch.from_numpy(snippet[:, top : top + CROP, left : left + CROP]).permute(3, 0, 1, 2)[None]
    return normalise(window.float(), normalization).contiguous(memory_format=torch.channels_last_3d)


@torch.inference_mode()
def plain_features(model: I3DResNet50, crop: Tensor, device: torch.device) -> np.ndarray:
    """Features (1, 2048) of a crop by plain kernels; `model` is one that no engine has taken over."""
    with plain_kernels(device):
        return model.to(device)(crop.to(device)).cpu().numpy()


@torch.inference_mode()
def check_layers(model: I3DResNet50, crop: Tensor, device: torch.device, precision: str) -> Verdict:
    """Compare each convolution of another shape with plain kernels on the same inputs; returns the worst.

    `model` is one that no engine has taken over. What the other layers pass on is what this precision gives them.
    """
    dtype = getattr(torch, PRECISIONS[precision].dtype)
    model = model.to(device, dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    names = {module: name for name, module in model.named_modules() if isinstance(module, nn.Conv3d)}
    errors: dict[tuple[object, ...], tuple[float, str]] = {}

    def compare(conv: nn.Conv3d, inputs: tuple[Tensor], output: Tensor) -> None:
        shape = (inputs[0].shape, conv.weight.shape, conv.stride)
        if shape in errors:
            return
        bias = None if conv.bias is None else conv.bias.float()
        with plain_kernels(device):
            expected = F.conv3d(
                inputs[0].float().contiguous(), conv.weight.float().contiguous(), bias, conv.stride, conv.padding
            )
        error = float((output.float() - expected).norm() / expected.norm())
        errors[shape] = (error if np.isfinite(error) else np.inf, names[conv])

    handles = [conv.register_forward_hook(compare) for conv in names]  # type: ignore[arg-type]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        model(crop.to(device, dtype))
    finally:
        for handle in handles:
            handle.remove()
    error, name = max(errors.values())
    return Verdict(error, LAYER_TOLERANCE[precision], f"{name} of {len(errors)} kinds of convolution")
