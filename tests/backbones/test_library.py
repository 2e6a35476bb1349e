"""Networks of torchvision and timm as the engine runs them, against the libraries' own modules called by hand."""

import numpy as np
import pytest
import torch
import torchvision.models.video as video_models
from PIL import Image
from torchvision.models import get_weight
from torchvision.transforms import v2

from i3d.backbones import backbone
from i3d.network.engine import Engine
from i3d.settings import NumericSettings
from i3d.specs import SAMPLE_MODES

CENTRE, CORNER, MIRRORED = 2, 4, 5  # of the ten crops
PLACES = {CENTRE: (16, 58, False), CORNER: (32, 116, False), MIRRORED: (0, 0, True)}
TOLERANCE = 1e-4


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


def differences(features: np.ndarray, module, frames: np.ndarray, transform: v2.Transform) -> list[float]:
    """Relative distances to the library's features: of the centre, a corner and a mirrored corner, or the one crop."""
    places = {CENTRE: 0} if len(features) == 1 else {crop: crop for crop in PLACES}
    return [error(features[place], by_hand(module, frames, crop, transform)) for crop, place in places.items()]


# Few frames, for speed: two blocks of them for Swin, and no fewer than the others take.
@pytest.mark.parametrize(
    ("name", "frames", "sample_mode"),
    [
        ("swin3d_t", 3, "oversample"),
        ("mvit_v2_s", 16, "center_crop"),
        ("r2plus1d_18", 8, "center_crop"),
        ("s3d", 14, "center_crop"),
    ],
)
def test_torchvisions_networks_give_what_the_library_gives(name, frames, sample_mode):
    network = backbone(name)
    weights = network.random_weights()
    library = getattr(video_models, name)().eval()
    missing, unexpected = library.load_state_dict(weights, strict=False)
    *_, (classifier, _) = library.named_children()
    assert not unexpected
    assert all(
        key.startswith(f"{classifier}.") or key.endswith(("relative_position_index", "tracked")) for key in missing
    )
    setattr(library, classifier, torch.nn.Identity())
    preset = get_weight(network.weights).transforms()
    transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),  # before the resize, which would round bytes
            v2.Resize(network.input_size, antialias=True) if network.input_size != 224 else v2.Identity(),
            v2.Normalize(preset.mean, preset.std),
        ]
    )
    images = snippet(frames)
    features = ours(name, images, sample_mode, weights)
    assert max(differences(features, library, images, transform)) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "frames", "sample_mode"),
    [
        ("timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k", 1, "oversample"),
        ("clip_vit_b16", 2, "center_crop"),
        ("timm:vit_small_patch14_dinov2.lvd142m", 1, "center_crop"),
    ],
)
def test_timms_towers_give_the_mean_of_what_the_library_gives(name, frames, sample_mode):
    timm = pytest.importorskip("timm")
    network = backbone(name)
    weights = network.random_weights()
    config = timm.get_pretrained_cfg(network.tower)
    library = timm.create_model(network.tower, num_classes=512 if "clip" in name else 0).eval()
    library.load_state_dict(weights)
    size = config.input_size[-1]
    transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize(size, v2.InterpolationMode(config.interpolation), antialias=True),
            v2.Normalize(config.mean, config.std),
        ]
    )

    def mean_of_frames(clip: torch.Tensor) -> torch.Tensor:
        return library(clip[0].transpose(0, 1)).mean(0, keepdim=True)

    images = snippet(frames)
    features = ours(name, images, sample_mode, weights, frame_pooling="mean")
    assert max(differences(features, mean_of_frames, images, transform)) < TOLERANCE
