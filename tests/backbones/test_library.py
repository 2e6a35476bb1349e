"""Networks of torchvision and timm as the engine runs them, against the libraries' own modules called by hand."""

import numpy as np
import pytest
import torch
import torchvision.models.video as video_models
from PIL import Image
from torchvision.models import get_weight
from torchvision.transforms import v2

from i3d.backbones import BACKBONES, backbone
from i3d.network.engine import Engine
from i3d.settings import NumericSettings
from i3d.specs import SAMPLE_MODES

CENTRE, CORNER, MIRRORED = 2, 4, 5  # of the ten crops
PLACES = {CENTRE: (16, 58, False), CORNER: (32, 116, False), MIRRORED: (0, 0, True)}


def snippet(frames: int) -> np.ndarray:
    """Frames resized by Pillow, uint8 (T, 256, 340, 3)."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (frames, 24, 32, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((340, 256), Image.LANCZOS)) for each in pictures])


def by_hand(module: torch.nn.Module, frames: np.ndarray, crop: int, transform: v2.Transform) -> np.ndarray:
    """The library's module on one crop, (3, T, S, S) by the library's transform."""
    top, left, mirrored = PLACES[crop]
    images = torch.from_numpy(frames[:, :, ::-1].copy() if mirrored else frames)
    images = images[:, top : top + 224, left : left + 224].permute(0, 3, 1, 2)
    with torch.inference_mode():
        return module(transform(images).transpose(0, 1)[None])[0].numpy()


def ours(name: str, frames: np.ndarray, sample_mode: str, weights, **settings) -> np.ndarray:
    numeric = NumericSettings(model=name, sample_mode=sample_mode, normalization="own", **settings)
    engine = Engine(numeric, weights, torch.device("cpu"), batch_size=1)
    (features,) = engine.launch(torch.from_numpy(frames)[None]).collect()
    assert features.dtype == np.float32
    assert features.shape == (SAMPLE_MODES[sample_mode].crops, backbone(name).dim)
    return features


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("name", "frames", "sample_mode"),
    [
        ("swin3d_t", 8, "oversample"),
        ("mvit_v2_s", 16, "center_crop"),
        ("r2plus1d_18", 8, "oversample"),
        ("s3d", 16, "center_crop"),
    ],
)
def test_torchvisions_networks_give_what_the_library_gives(name, frames, sample_mode):
    network = backbone(name)
    weights = network.random_weights()
    library = getattr(video_models, name)().eval()
    missing, unexpected = library.load_state_dict(weights, strict=False)
    assert not unexpected
    *_, (last, classifier) = library.named_children()
    assert all(key.startswith(f"{last}.") or key.endswith(("relative_position_index", "tracked")) for key in missing)
    setattr(library, last, torch.nn.Identity())
    preset = get_weight(network.weights).transforms()
    transform = v2.Compose(
        [
            v2.Resize(network.input_size, antialias=True) if network.input_size != 224 else v2.Identity(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preset.mean, preset.std),
        ]
    )
    images = snippet(frames)
    features = ours(name, images, sample_mode, weights)
    # A resize of whole values by torchvision rounds to bytes; the network here gets it unrounded.
    tolerance = 1e-4 if network.input_size == 224 else 1e-2
    places = (CENTRE, CORNER, MIRRORED) if sample_mode == "oversample" else (CENTRE,)
    for crop in places:
        found = features[crop] if len(features) > 1 else features[0]
        assert error(found, by_hand(library, images, crop, transform)) < tolerance
    assert classifier is not None


@pytest.mark.parametrize("name", ["clip_vit_b16", "timm:vit_small_patch14_dinov2.lvd142m"])
def test_timms_towers_give_what_the_library_gives(name):
    timm = pytest.importorskip("timm")
    network = backbone(name)
    weights = network.random_weights()
    tower = name.removeprefix("timm:") if name not in BACKBONES or name.startswith("timm:") else network.tower
    config = timm.get_pretrained_cfg(tower)
    library = timm.create_model(tower, num_classes=512 if "clip" in tower else 0).eval()
    library.load_state_dict(weights)
    size = config.input_size[-1]
    mode = v2.InterpolationMode.BICUBIC
    transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize(size, mode, antialias=True) if size != 224 else v2.Identity(),
            v2.Normalize(config.mean, config.std),
        ]
    )
    images = snippet(2)
    features = ours(name, images[:1], "oversample" if size == 224 else "center_crop", weights, frame_pooling="middle")

    def one(clip: torch.Tensor) -> torch.Tensor:
        return library(clip[0].transpose(0, 1)).mean(0, keepdim=True)

    for place, crop in enumerate((CENTRE, CORNER, MIRRORED) if size == 224 else (CENTRE,)):
        found = features[crop if size == 224 else place]
        assert error(found, by_hand(one, images[:1], crop, transform)) < 1e-4
    (mean,) = ours(name, images, "center_crop", weights, frame_pooling="mean")
    assert error(mean, by_hand(one, images, CENTRE, transform)) < 1e-4
