"""Networks of torchvision and timm called by hand, on one crop of frames that Pillow resized."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model, get_weight
from torchvision.transforms import v2

from i3d.backbones import backbone

FIVE = ((0, 0), (0, 116), (16, 58), (32, 0), (32, 116))  # top and left of the first five crops
CENTRE, CORNER = 2, 4
TOLERANCE = 1e-4


def resized(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Frames resized by Pillow, uint8 (T, 256, 340, 3)."""
    return np.stack([np.asarray(Image.fromarray(each).resize((340, 256), Image.LANCZOS)) for each in pictures])


def snippet(frames: int) -> np.ndarray:
    """Seeded frames, uint8 (T, 256, 340, 3)."""
    return resized(np.random.default_rng(0).integers(0, 256, (frames, 24, 32, 3), np.uint8))


def torchvisions(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """torchvision's own module with these weights, its classifier replaced by nothing."""
    library = get_model(name, weights=None).eval()
    missing, unexpected = library.load_state_dict(weights, strict=False)
    *_, (classifier, _) = library.named_children()
    assert not unexpected
    assert all(
        key.startswith(f"{classifier}.") or key.endswith(("relative_position_index", "tracked")) for key in missing
    )
    setattr(library, classifier, nn.Identity())
    return library


def timms(name: str, weights: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """timm's own module with these weights; the mean of what it gives of a clip's frames."""
    library = timm.create_model(backbone(name).tower, num_classes=512 if "clip" in name else 0).eval()
    library.load_state_dict(weights)
    return lambda clip: library(clip[0].transpose(0, 1)).mean(0, keepdim=True)


def transform(name: str, mean: Sequence[float] = (), std: Sequence[float] = ()) -> v2.Transform:
    """What the network's library does to pictures, uint8 (T, 3, 224, 224), with these numbers or its own."""
    network = backbone(name)
    if hasattr(network, "tower"):
        preset = timm.get_pretrained_cfg(network.tower)
        size, way = preset.input_size[-1], v2.InterpolationMode(preset.interpolation)
    else:
        preset = get_weight(network.weights).transforms()
        size, way = preset.crop_size[0], preset.interpolation
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),  # before the resize, which would round bytes
            v2.Identity() if size == 224 else v2.Resize(size, way, antialias=True),
            v2.Normalize(mean or preset.mean, std or preset.std),
        ]
    )


def by_hand(
    module: Callable[[Tensor], Tensor], frames: np.ndarray, crop: int, transform: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """The library's features (dim,) of one of a snippet's ten crops, the last five of which are of mirrored frames."""
    top, left = FIVE[crop % 5]
    images = torch.from_numpy(frames[:, :, ::-1].copy() if crop >= 5 else frames)
    images = images[:, top : top + 224, left : left + 224].permute(0, 3, 1, 2)
    with torch.inference_mode():
        return module(transform(images).transpose(0, 1)[None])[0].numpy()


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """The relative distance of two features."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
