"""Colours are ffmpeg's, bit for bit, whichever decoder gives them and however much memory it may use."""

import numpy as np
import pytest

from i3d.decoding.damage import Faults
from i3d.decoding.video_file import Video
from tests.support.clips import Clips, true_frames
from tests.support.colour_clips import COLOUR_KINDS, MATRICES
from tests.support.recorder import decode


@pytest.fixture(scope="module")
def colour_clips(tmp_path_factory):
    return Clips(tmp_path_factory.mktemp("colours"), COLOUR_KINDS)


@pytest.mark.parametrize("name", COLOUR_KINDS)
def test_frames_are_ffmpegs_whatever_the_settings(colour_clips, name):
    kind, path = COLOUR_KINDS[name], colour_clips[name]
    expected = true_frames(path, *kind.size, matrix=kind.matrix)
    assert len(expected) >= 6
    settings = {"decord": {}, "pyav": {"decoder": "pyav"}, "little memory": {"memory_mb": 255}}
    begins = {}
    for words, setting in settings.items():
        recorder, result = decode(path, **setting)
        assert (words, result["status"], result["damaged"]) == (words, "ok", None)
        assert np.array_equal(np.stack(recorder.frames), expected), words
        begins[words] = recorder.begin
    if kind.not_decord is None:
        assert begins["decord"]["decoder"] == "decord", begins["decord"]["decoder_reason"]
        assert "memory" in begins["little memory"]["decoder_reason"]
    else:
        assert begins["decord"]["decoder"] == "pyav"
        assert kind.not_decord in begins["decord"]["decoder_reason"]
    assert {begins[words]["decoder"] for words in ("pyav", "little memory")} == {"pyav"}


def traits(path):
    """Format, matrix (as libavutil numbers them), range (2: full) and width of each frame."""
    frames = Video(path).decode(Faults())
    return [(frame.format.name, frame.colorspace, frame.color_range, frame.width) for frame in frames]


def test_the_clips_are_tagged_as_they_are_called(colour_clips):
    numbers = dict(zip(MATRICES, (1, 5, 6, 9, 4, 7), strict=True))
    for matrix, number in numbers.items():
        assert set(traits(colour_clips[f"420_{matrix}_False.mp4"])) == {("yuv420p", number, 1, 160)}
        assert set(traits(colour_clips[f"420_{matrix}_True.mp4"])) == {("yuvj420p", number, 2, 160)}
    for name, number in {"bt2020c": 10, "ycgco": 8, "smpte2085": 11, "ictcp": 14}.items():
        assert set(traits(colour_clips[f"420_{name}.mp4"])) == {("yuv420p", number, 1, 160)}
    for name in COLOUR_KINDS:
        pixels, _, rest = name.partition("_")
        if rest.startswith(("None", "bt")) and pixels != "420":
            assert {seen for seen, *_ in traits(colour_clips[name])} == {pixels}


def test_changes_are_changes(colour_clips):
    for name in COLOUR_KINDS:
        if "changes" in name or "grows" in name:
            seen = traits(colour_clips[name])
            assert len(seen) == 18
            assert seen[0] == seen[-1] != seen[9], name
