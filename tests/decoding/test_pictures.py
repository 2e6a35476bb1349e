"""Pictures are turned as ffmpeg turns them; whatever they hold, they are shown or refused."""

import math

import av
import numpy as np
import pytest
from av.video.format import names as pixel_formats

from i3d.decoding.held_file import UnreadableError
from i3d.decoding.pictures import Picture, turning_filters
from i3d.snippets import SnippetRule
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
    both = tmp_path / "both.h264"
    both.write_bytes((tmp_path / "plain.h264").read_bytes() + (tmp_path / "mirrored.h264").read_bytes())
    rule = SnippetRule(clip_length=4, frequency=10)  # leaves out frames 24 to 29
    assert np.array_equal(decode(both, rule=rule)[0].frames[12:16], mirrored[6:10])


def test_every_pixel_format_is_shown_or_refused():
    refused = []
    for pixels in sorted(pixel_formats):
        try:
            frame = av.VideoFrame(96, 64, pixels)
        except ValueError:  # lives in a device's memory
            continue
        try:
            assert Picture()(frame).shape == (64, 96, 3)
        except UnreadableError as error:
            refused.append(pixels)
            assert str(error) == f"FFmpeg cannot convert {pixels} pictures"
    assert "uyyvyy411" in refused
    assert len(refused) < 20
    assert not {"yuv420p", "gray", "pal8", "rgb24", "p010le", "yuva444p16le", "xyz12le"} & set(refused)


def test_colour_tags_that_nobody_knows_are_no_reason_to_refuse():
    frame = av.VideoFrame(96, 64, "yuv420p")
    for plane, value in zip(frame.planes, (120, 90, 200), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    untagged = Picture()(frame)
    for number in (3, 8, 11, 12, 13, 14, 17, 255, 2**31 - 1):
        frame.colorspace, frame.color_range = number, number
        assert np.array_equal(Picture()(frame), untagged), number
