"""The networks by their names, without torch; settings that they cannot take are refused before anything is done."""

import re

import msgspec
import pytest

from i3d.backbones import BACKBONES, backbone, kind
from i3d.backbones.timm_image import TimmImage
from i3d.config import complete
from i3d.errors import UserError
from i3d.settings import NumericSettings
from i3d.specs import PRECISIONS


def test_names_are_said_once_and_first_of_all_the_original_network():
    assert list(BACKBONES)[:2] == ["i3d_r50", "i3d_r50_nl"]
    assert all(name == each.name for name, each in BACKBONES.items())
    assert {"swin3d_t", "swin3d_s", "swin3d_b", "mvit_v2_s", "r2plus1d_18", "s3d"} < BACKBONES.keys()
    assert (BACKBONES["clip_vit_b16"].dim, BACKBONES["clip_vit_l14"].dim) == (512, 768)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "swin3d_x"}, "invalid value 'swin3d_x' of 'model'; did you mean 'swin3d_"),
        (
            {"model": "resnet"},
            "of 'model'; expected one of i3d_r50, i3d_r50_nl, swin3d_t, .* and timm:NAME for an",
        ),
        ({"model": "timm:"}, "invalid value 'timm:' of 'model'"),
        ({"model": "mvit_v2_s", "clip_length": 32}, "invalid value 32 of 'clip_length'; mvit_v2_s accepts only 16"),
        ({"model": "s3d", "clip_length": 8}, "invalid value 8 of 'clip_length'; s3d accepts 14 to 512"),
        (
            {"frame_pooling": "middle"},
            "'frame_pooling: middle' has no meaning for the model i3d_r50, it takes",
        ),
        (
            {"model": "swin3d_t", "frame_pooling": "middle"},
            "'frame_pooling: middle' has no meaning for the model",
        ),
        ({"model": "swin3d_t", "normalization": "kinetics"}, "'normalization: kinetics' has no meaning for the model"),
        ({"model": "timm:any", "normalization": "kinetics"}, "'normalization: kinetics' has no meaning for the model"),
    ],
)
def test_what_a_network_cannot_take_is_one_sentence(given, words):
    with pytest.raises(UserError, match=words) as caught:
        complete(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("i3d_r50", "resources/i3d_r50_kinetics.pth"),
        ("i3d_r50_nl", "resources/i3d_r50_nl_kinetics.pth"),
        ("swin3d_b", "resources/swin3d_b.pth"),
        ("clip_vit_b16", "resources/clip_vit_b16.safetensors"),
        ("timm:vit_a.b/c", "resources/timm_vit_a.b_c.safetensors"),
    ],
)
def test_weights_that_were_not_chosen_are_the_models(model, weights):
    assert complete({"model": model}).weights == weights
    assert complete({"model": model, "weights": "mine.pth"}).weights == "mine.pth"
    assert complete({"model": model}, "module/").weights == f"module/{weights}"


def test_settings_without_a_meaning_do_not_count():
    """Features of I3D stay as they are named, and towers of one pooling are not those of another."""
    i3d = complete({}).numeric("random")
    assert (i3d.frame_pooling, i3d.normalization, i3d.fingerprint) == (None, "inception", "c8f27c21abd2dff9")
    video = complete({"model": "swin3d_t"}).numeric("random")
    assert (video.frame_pooling, video.normalization) == (None, "own")
    towers = [complete({"model": "clip_vit_b16", "frame_pooling": way}).numeric("random") for way in ("mean", "middle")]
    assert [tower.frame_pooling for tower in towers] == ["mean", "middle"]
    assert len({each.fingerprint for each in (i3d, video, *towers)}) == 4
    assert towers[1].rule.frames_used == 1


def test_features_of_half_precision_are_not_those_of_before():
    """Their last mean is taken in float32 now; those of fp32 and tf32 are the same as ever."""
    assert {name: complete({"precision": name}).numeric("random").fingerprint for name in PRECISIONS} == {
        "fp32": "c8f27c21abd2dff9",
        "tf32": "5f73c585a1f84546",
        "bf16": "472ce9b91c791442",
        "fp16": "c181fc8b4f29970d",
    }


def test_work_is_in_proportion_to_crops_and_frames():
    video, tower = BACKBONES["swin3d_t"], BACKBONES["clip_vit_b16"]
    assert video.snippet_tflop("oversample", 32) == pytest.approx(20 * video.snippet_tflop("center_crop", 16))
    mean, middle = (tower.snippet_tflop("oversample", 16, way) for way in ("mean", "middle"))
    assert mean == pytest.approx(16 * middle)
    assert tower.snippet_gigabytes("center_crop", 16, 4) == 2 * tower.snippet_gigabytes("center_crop", 16, 2)


def test_what_timm_said_of_a_tower_is_kept_as_json():
    tower = BACKBONES["clip_vit_b16"]
    assert msgspec.json.decode(msgspec.json.encode(tower), type=TimmImage) == tower
    assert kind("timm:anything") is TimmImage


def test_every_networks_weights_have_a_licence_and_a_place():
    for each in BACKBONES.values():
        assert each.licence
        assert re.fullmatch(r"resources/[\w.]+\.(pth|safetensors)", each.default_weights(each.name))
        assert backbone(each.name) is each


def test_a_bundle_of_before_has_no_frame_pooling():
    assert msgspec.json.decode(b'{"model": "i3d_r50"}', type=NumericSettings) == NumericSettings()
