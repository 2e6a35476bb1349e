"""Which video is a copy of which."""

import pytest

from i3d.config import complete
from i3d.exports.copies import CopyNames

COPIES = CopyNames(complete({}).lists.copies)


@pytest.mark.parametrize(
    ("video", "source"),
    [
        ("t/anomaly_augmented/x_flip_h.mp4", "t/anomaly/x"),
        ("t/anomaly_cropped_augmented/x_bright_low.mp4", "t/anomaly/x"),
        ("t/anomaly_cropped/x.mp4", "t/anomaly/x"),
        ("t/anomaly/x_cropped_flip_v.MP4", "t/anomaly/x"),
        ("t/augmented/anomaly/x_flip_h.mp4", "t/anomaly/x"),
    ],
)
def test_what_smart_surveillances_tools_make_are_copies(video, source):
    assert COPIES.is_copy(video) and COPIES.source(video) == source


@pytest.mark.parametrize(
    "video", ["t/anomaly/x.1.mp4", "t/anomaly/flip_h.mp4", "t/a/x_flip.mp4", "cropped.mp4", "x.mp4"]
)
def test_other_names_are_none(video):
    assert not COPIES.is_copy(video) and COPIES.source(video) == video.rpartition(".")[0]


def test_a_folder_of_pictures_has_no_suffix_and_a_rare_one_is_one():
    assert COPIES.source("t/a/cam_12.30.45") == "t/a/cam_12.30.45" and COPIES.source("t/a/x.1_flip_h") == "t/a/x.1"
    assert CopyNames(["flip_h"], ["xyz"]).source("t/a/x_flip_h.XYZ") == "t/a/x"


def test_endings_are_configurable_and_no_expressions():
    rotated = CopyNames(["rot*", "a.b"])
    assert rotated.source("t/a/x_rot15.mp4") == "t/a/x" == rotated.source("t/a/x_a.b.mp4")
    assert not rotated.is_copy("t/a/x_axb.mp4") and not rotated.is_copy("t/a/x_rot_5.mp4")
    assert not CopyNames().is_copy("t/a/x_flip_h.mp4")


@pytest.mark.parametrize("ending", ["*a*a*a*a*a*a*a*b", "*" * 30 + "b", "x*a*a*a*a*a*a*a*b"])
def test_no_ending_takes_for_ever(ending):
    names = CopyNames([ending])
    assert not names.is_copy(f"anomaly/v_x{'a' * 240}.mp4")
    assert names.source(f"anomaly/v_x{'a' * 230}b.mp4") == "anomaly/v"


def test_stars_within_an_ending():
    names = CopyNames(["rot*deg", "a*_b*c"])
    assert names.source("x/v_rot90deg.mp4") == "x/v" and names.source("x/v_rot90deg_axx_bxxc.mp4") == "x/v"
    assert not names.is_copy("x/v_rot90degrees.mp4") and not names.is_copy("x/v_rot_deg.mp4")
