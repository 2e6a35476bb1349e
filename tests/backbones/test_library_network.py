"""Networks of torchvision and timm as the engine runs them, against the libraries' own modules called by hand.

Through the programs, with the crops of decoded videos: tests/scripts/test_backbones.py.
"""

import sys

import numpy as np
import open_clip
import pytest
import torch
from torchvision.models import get_model, get_weight

from i3d import backbones
from i3d.backbones import backbone, timm_image, torchvision_video
from i3d.backbones.counted_work import work_of_a_frame
from i3d.backbones.library_network import on_meta, random_weights
from i3d.errors import UserError
from i3d.network.engine import Engine
from i3d.network.weights import check_state_dict, load_state_dict
from i3d.settings import NumericSettings
from tests.support.libraries import CENTRE, TOLERANCE, by_hand, error, snippet, torchvisions, transform

VIDEO_NETWORKS = {each.name: each for each in torchvision_video.BACKBONES}
FRAMES_COUNTED = 16  # that torchvision, and our table, count the work in
MC3 = torchvision_video.video(
    *("mc3_18", "MC3_18", 512, 5.418, 0.0134), input_size=112, filter="bilinear", licence="BSD 3-Clause"
)


@pytest.fixture
def mc3(monkeypatch):
    """A further network of torchvision, which is one line in its table."""
    monkeypatch.setitem(backbones.BACKBONES, "mc3_18", MC3)


def features_of(name: str, frames: np.ndarray, weights, **settings) -> np.ndarray:
    """The engine's features (dim,) of the centre crop."""
    numeric = NumericSettings(model=name, sample_mode="center_crop", normalization="own", **settings)
    engine = Engine(numeric, weights, torch.device("cpu"), batch_size=1)
    (features,) = engine.launch(torch.from_numpy(frames)[None]).collect()
    assert (features.dtype, features.shape) == (np.float32, (1, backbone(name).dim))
    return features[0]


@pytest.mark.parametrize(("name", "frames"), [("r2plus1d_18", 8), ("s3d", 14), ("mc3_18", 8)])
@pytest.mark.usefixtures("mc3")
def test_a_video_network_gives_what_the_library_gives(name, frames):
    weights = backbone(name).random_weights()
    images = snippet(frames)
    expected = by_hand(torchvisions(name, weights), images, CENTRE, transform(name))
    assert error(features_of(name, images, weights), expected) < TOLERANCE


@pytest.mark.usefixtures("mc3")
def test_a_network_that_was_added_is_known_everywhere():
    assert backbone("mc3_18").published().url == get_weight("MC3_18_Weights.KINETICS400_V1").url
    assert NumericSettings(model="mc3_18").fingerprint != NumericSettings(model="r2plus1d_18").fingerprint


def test_the_mean_over_frames_is_that_of_another_librarys_clip():
    """OpenCLIP's own tower, with seeded weights, which are read as its authors' files are."""
    settings = open_clip.get_model_config("ViT-B-16-quickgelu")
    tower = settings["vision_cfg"]
    library = on_meta(
        lambda: open_clip.transformer.VisionTransformer(
            image_size=tower["image_size"],
            patch_size=tower["patch_size"],
            width=tower["width"],
            layers=tower["layers"],
            heads=tower["width"] // 64,
            mlp_ratio=4,
            output_dim=settings["embed_dim"],
            act_layer=open_clip.transformer.QuickGELU,
        )
    )
    weights = random_weights({name: tuple(value.shape) for name, value in library.state_dict().items()})
    library.load_state_dict(weights, assign=True)
    network = backbone("clip_vit_b16")
    published = {f"visual.{name}": value for name, value in weights.items()}
    ours = check_state_dict(network.renamed(published), network, "ViT-B-16.pt")
    images = snippet(2)
    preprocess = transform(  # by OpenCLIP's numbers
        "clip_vit_b16", open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    )
    expected = by_hand(lambda clip: library(clip[0].transpose(0, 1)).mean(0, keepdim=True), images, CENTRE, preprocess)
    assert error(features_of("clip_vit_b16", images, ours, frame_pooling="mean"), expected) < TOLERANCE


@pytest.mark.parametrize("network", [*VIDEO_NETWORKS.values(), MC3], ids=lambda network: network.name)
def test_the_work_of_a_video_network_is_the_librarys(network):
    multiply_adds = get_weight(network.weights).meta["_ops"]  # 10^9
    assert network.gflop == pytest.approx(2 * multiply_adds / FRAMES_COUNTED, rel=1e-3)


@pytest.mark.parametrize("network", [VIDEO_NETWORKS["s3d"], MC3], ids=lambda network: network.name)
def test_the_work_of_a_video_network_is_as_counted(network):
    module = on_meta(lambda: get_model(network.name, weights=None))
    shape = (3, FRAMES_COUNTED, network.input_size, network.input_size)
    counted = work_of_a_frame(module, shape, FRAMES_COUNTED)
    assert (network.gflop, network.values) == pytest.approx(counted, rel=5e-3)


def test_what_the_table_says_of_clip_is_what_timm_says():
    told = backbone("clip_vit_b16")
    found = timm_image.described(f"timm:{told.tower}")
    assert (told.dim, told.input_size, told.filter) == (found.dim, found.input_size, None)
    assert (told.gflop, told.values) == pytest.approx((found.gflop, found.values), rel=1e-3)


@pytest.mark.parametrize("network", [*VIDEO_NETWORKS.values(), MC3], ids=lambda network: network.name)
def test_the_clip_lengths_of_a_video_network_are_the_librarys(network):
    least, most = network.clip_lengths
    assert least == max(
        backbone("i3d_r50").clip_lengths[0], get_weight(network.weights).meta.get("min_temporal_size", 1)
    )
    if network.name == "mvit_v2_s":  # whose positions are those of 16 frames
        module = on_meta(lambda: get_model(network.name, weights=None))
        with pytest.raises(RuntimeError, match="is invalid for input of size"):
            module(torch.empty((1, 3, most + 1, 224, 224), device="meta"))


def test_weights_of_another_network_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "s3d.pth"
    torch.save(backbone("s3d").random_weights(), path)
    assert load_state_dict(path, backbone("s3d"))
    for name in ("r2plus1d_18", "clip_vit_b16", "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k"):
        with pytest.raises(UserError, match=f"does not fit the model .* these are not weights of {name}") as caught:
            load_state_dict(path, backbone(name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:vit_base_patch16_clip_224.opnai", "timm has no such weights; did you mean timm:vit_base_.*\\.openai"),
        ("timm:vit_smal_patch14_dinov2.lvd142m", "did you mean timm:vit_small_patch14_dinov2.lvd142m"),
        ("timm:nothing", "invalid value 'timm:nothing' of 'model'; timm has no such weights; see timm.list_models()"),
    ],
)
def test_a_tower_that_timm_does_not_know_is_refused_with_what_may_have_been_meant(name, words):
    with pytest.raises(UserError, match=words) as caught:
        backbone(name)
    assert "\n" not in str(caught.value)


def test_without_timm_its_towers_are_refused_in_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_image._config.cache_clear()
    with pytest.raises(UserError, match="model timm:any needs the package timm, which is not installed here; install"):
        backbone("timm:any")


def test_a_tower_of_other_pictures_is_refused(monkeypatch):
    config = timm_image._config("vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    monkeypatch.setattr(timm_image, "_config", lambda tower: config.__class__(input_size=(1, 224, 224)))
    with pytest.raises(UserError, match=r"takes \(1, 224, 224\), not square colour pictures"):
        backbone("timm:grey")
