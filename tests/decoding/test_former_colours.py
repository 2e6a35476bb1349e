"""Whose colours were others in the first release, tried by reading the clips in its way."""

import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from i3d.decoding.damage import Faults
from i3d.decoding.decord_reader import decord_frames
from i3d.decoding.former_colours import reads_otherwise_now
from i3d.decoding.video_file import Video
from tests.support.clips import Clips
from tests.support.colour_clips import COLOUR_KINDS
from tests.support.recorder import decode

STEADY = [name for name in COLOUR_KINDS if not any(word in name for word in ("changes", "grows", "turned"))]


@pytest.fixture(scope="module")
def colour_clips(tmp_path_factory):
    return Clips(tmp_path_factory.mktemp("colours"), COLOUR_KINDS)


def former_frames(path):
    """As 0.1.0 had them from PyAV."""
    reformatter = VideoReformatter()
    frames = Video(path).decode(Faults())
    return [reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC").to_ndarray() for frame in frames]


@pytest.mark.parametrize("name", STEADY)
def test_says_of_each_kind_whether_pyav_read_it_otherwise(colour_clips, name):
    frames = decode(colour_clips[name], "pyav")[0].frames
    assert reads_otherwise_now(colour_clips[name], "pyav") == (
        not np.array_equal(former_frames(colour_clips[name]), frames)
    )


@pytest.mark.parametrize(
    "name",
    [
        "420_bt709_True.mp4",
        "yuv444p_bt2020nc.mp4",
        "svq1.mov",
        "yuv411p_None.mkv",
        "yuv440p_bt709.mkv",
        "raw_nv12.avi",
        "raw_uyvy.mov",
        "bgra.mkv",
        "yuva420p_bt709.mkv",
        "palette.mov",
        "ya8_None.mkv",
        "gray_bt709.mkv",
    ],
)
def test_says_of_each_kind_whether_decord_read_it_otherwise(colour_clips, name):
    frames = decode(colour_clips[name], "pyav")[0].frames
    former = list(decord_frames(colour_clips[name]))
    assert reads_otherwise_now(colour_clips[name], "decord") == (not np.array_equal(former, frames))


def test_turned_videos(colour_clips, undecodable):
    expected = {"yuv420p": False, "yuv422p": True, "yuv420p10le": True}
    for pixels, otherwise in expected.items():
        for turned in ("turned", "half_turned"):
            assert reads_otherwise_now(colour_clips[f"{turned}_{pixels}.mp4"], "decord") == otherwise


def test_says_no_of_what_is_no_video(undecodable):
    assert not any(reads_otherwise_now(path, "pyav") for path in undecodable.values())
