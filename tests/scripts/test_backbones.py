"""Networks of torchvision and timm through the programs, against the libraries' modules called by hand.

By hand: frames that ffmpeg decodes and Pillow resizes, a crop cut out of them, the library's transform and its module.
"""

import signal
import sys

import numpy as np
import pytest

from i3d.backbones import backbone
from i3d.specs import FIVE_CROPS, SAMPLE_MODES, SampleMode
from scripts import decode, extract
from scripts.make_demo_videos import HEIGHT, WIDTH, write_clip
from tests.support.clips import true_frames
from tests.support.libraries import CORNER, TOLERANCE, by_hand, error, resized, timms, torchvisions, transform

DINO = "timm:vit_small_patch14_dinov2.lvd142m"
TINY = "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k"
# In the place of ten crops, for speed: a corner, or that and the same corner of the mirrored frame.
ONE = SampleMode((FIVE_CROPS[CORNER],), mirrored=False)
TWO = SampleMode((FIVE_CROPS[CORNER],), mirrored=True)
TEN = SAMPLE_MODES["oversample"]
COMPARED = {ONE: {CORNER: 0}, TWO: {CORNER: 0, CORNER + 5: 1}, TEN: {crop: crop for crop in range(10)}}


@pytest.fixture(autouse=True)
def handlers():
    """The program that decodes changes what signals do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A video and its frames by ffmpeg and Pillow."""
    path = tmp_path_factory.mktemp("clip") / "x.mp4"
    write_clip(path, 33, speed=5)
    return path, resized(true_frames(path, WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("name", "clip_length", "frequency", "frame_pooling", "mode"),
    [
        ("swin3d_t", 8, 32, "mean", TWO),
        ("mvit_v2_s", 16, 32, "mean", ONE),
        ("clip_vit_b16", 16, 32, "middle", TWO),
        (DINO, 16, 32, "middle", TWO),
        (TINY, 8, 32, "mean", TWO),
        (TINY, 10, 8, "middle", TEN),  # the video ends within a snippet whose middle frame has come
    ],
)
def test_features_are_the_librarys(clip, tmp_path, monkeypatch, name, clip_length, frequency, frame_pooling, mode):
    path, frames = clip
    monkeypatch.setitem(SAMPLE_MODES, "oversample", mode)
    settings = [
        "--model",
        name,
        "--clip-length",
        clip_length,
        "--frequency",
        frequency,
        "--frame-pooling",
        frame_pooling,
    ]
    stream, feature = tmp_path / "x.frames", tmp_path / "x.npy"
    for program, own in (
        (decode, [path, "--output", stream]),
        (extract, ["--frames", stream, "--weights", "random", "--feature", feature]),
    ):
        monkeypatch.setattr(sys, "argv", ["program", *map(str, own + settings)])
        program.main()
    features = np.load(feature)
    starts = range(0, len(frames) - clip_length + 1, frequency)
    assert features.shape == (len(starts), mode.crops, backbone(name).dim)
    library = timms if frame_pooling == "middle" or name == TINY else torchvisions
    module = library(name, backbone(name).random_weights())
    for found, start in zip(features, starts, strict=True):
        used = frames[start : start + clip_length]
        if frame_pooling == "middle":  # of frames 0 to 15 number 8
            used = used[clip_length // 2 :][:1]
        for crop, place in COMPARED[mode].items():
            assert error(found[place], by_hand(module, used, crop, transform(name))) < TOLERANCE
