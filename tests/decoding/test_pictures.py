"""Pictures are turned as ffmpeg turns them."""

import math

import numpy as np
import pytest

from i3d.decoding.pictures import turning_filters
from tests.support.clips import ONE, ffmpeg, h264_clip, pattern, true_frames, turn_track
from tests.support.recorder import decode


def rotation(degrees, mirrored=1):
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple(round(part * ONE) for part in (mirrored * cosine, mirrored * sine, -sine, cosine))


MATRICES = [
    *(rotation(degrees, mirrored) for degrees in (0, 90, 180, 270) for mirrored in (1, -1)),
    *(rotation(degrees) for degrees in (1, 2, 30, 89, 91, 179, 200, 359)),
    rotation(30, -1),
    *((0, 0, 0, 0), (ONE, 0, 0, 0), (ONE, ONE, 0, ONE), (2**31 - 1, -(2**31), 5, 7)),  # nonsense
]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p"])  # ffmpeg turns the latter after the conversion to RGB
def test_a_track_is_turned_as_its_matrix_says(tmp_path, pixels):
    path = tmp_path / "x.mp4"
    ffmpeg(*pattern(2), "-c:v", "libx264", "-pix_fmt", pixels, path)
    shapes = []
    for matrix in MATRICES:
        turn_track(path, matrix)
        for decoder in ("decord", "pyav"):
            recorder, _ = decode(path, decoder)
            height, width = recorder.frames[0].shape[:2]
            assert np.array_equal(np.stack(recorder.frames), true_frames(path, width, height)), (matrix, decoder)
            if decoder == "decord":
                assert bool(recorder.begin["decoder_reason"]) == bool(turning_filters(matrix)), matrix
        shapes.append((height, width))
    assert shapes == [(96, 160), (96, 160), (160, 96), (160, 96)] * 2 + [(96, 160)] * (len(MATRICES) - 8)


def test_frames_without_a_matrix_stay_turned_as_the_last_one_said(tmp_path):
    """ffmpeg 5.1 turns them back; 7.x does not."""
    ffmpeg("-i", h264_clip(tmp_path / "x.mp4"), "-c", "copy", tmp_path / "plain.h264")
    mirror = "h264_metadata=display_orientation=insert:flip=horizontal"  # at the only key picture
    ffmpeg("-i", tmp_path / "x.mp4", "-c", "copy", "-bsf:v", f"h264_mp4toannexb,{mirror}", tmp_path / "mirrored.h264")
    plain, mirrored = (decode(tmp_path / name)[0].frames for name in ("plain.h264", "mirrored.h264"))
    assert len(mirrored) == len(plain) == 24
    assert np.array_equal(np.stack(mirrored), np.stack(plain)[:, :, ::-1])
