"""Pictures are turned as ffmpeg turns them."""

import numpy as np

from i3d.decoding.pictures import turn
from tests.support.clips import ffmpeg, h264_clip, true_frames
from tests.support.recorder import decode


def test_a_skewed_picture_is_turned_like_ffmpegs(tmp_path):
    """Not bit for bit: ffmpeg turns before it converts to RGB."""
    original = h264_clip(tmp_path / "original.mp4")
    ffmpeg("-i", original, "-c", "copy", "-metadata:s:v", "rotate=30", tmp_path / "x.mp4")
    recorder, _ = decode(tmp_path / "x.mp4")
    expected = true_frames(tmp_path / "x.mp4", 160, 96).astype(int)
    assert np.abs(np.stack(recorder.frames) - expected).mean() < 8
    assert "skew" in recorder.begin["decoder_reason"]


def test_turning_covers_all_eight_orientations():
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    one = 1 << 16
    turned = {
        (one, 0, 0, one): rgb,
        (-one, 0, 0, one): rgb[:, ::-1],
        (one, 0, 0, -one): rgb[::-1],
        (-one, 0, 0, -one): rgb[::-1, ::-1],
        (0, one, -one, 0): np.rot90(rgb, -1),
        (0, -one, one, 0): np.rot90(rgb),
        (0, one, one, 0): rgb.swapaxes(0, 1),
        (0, -one, -one, 0): rgb.swapaxes(0, 1)[::-1, ::-1],
    }
    for matrix, expected in turned.items():
        assert np.array_equal(turn(rgb, matrix), expected), matrix
