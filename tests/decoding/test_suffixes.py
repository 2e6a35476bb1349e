"""Every suffix that makes a file a video by default is one of files that are decoded, as ffmpeg decodes them."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from i3d.decoding.probe import probe
from i3d.settings import VIDEO_SUFFIXES
from tests.support.clips import X264, ffmpeg, pattern, true_frames
from tests.support.paths import SHARED
from tests.support.recorder import decode

HEVC = ("-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p")
MPEG2, MPEG4, WMV = ("-c:v", "mpeg2video"), ("-c:v", "mpeg4"), ("-c:v", "wmv2")
MJPEG = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-f", "mjpeg")

MADE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mp4", "mkv", "mov", "flv", "ts", "m2ts", "mts", "3gp", "3g2", "f4v"), X264),
    **dict.fromkeys(("h264", "264", "avc"), (*X264, "-f", "h264")),
    **dict.fromkeys(("h265", "265", "hevc"), (*HEVC, "-f", "hevc")),
    **dict.fromkeys(("mjpeg", "mjpg"), MJPEG),
    **dict.fromkeys(("wmv", "asf"), WMV),
    **dict.fromkeys(("mpg", "mpeg", "vob", "mxf"), MPEG2),
    "avi": MPEG4,
    "divx": (*MPEG4, "-f", "avi"),
    "m4v": (*MPEG4, "-f", "m4v"),
    "m2v": (*MPEG2, "-f", "mpeg2video"),
    "ogv": ("-c:v", "libtheora"),
    "webm": ("-c:v", "libvpx"),
    "dav": (*X264, "-f", "h264"),  # in packets of its own, see `dahua`
}
DAHUA_H264, DAHUA_HEVC = 2, 12


def dahua(path: Path, codec: int, *options: str) -> None:
    """A recording as Dahua's recorders write it: each coded picture between `DHAV` and `dhav`, with size and codec."""
    raw = path.with_name("raw")
    ffmpeg(*pattern(), *options, raw)
    content = b""
    with av.open(str(raw), format=options[-1]) as container:
        for number, packet in enumerate(packet for packet in container.demux() if packet.size):
            head = bytes([0x80, 0, 160 // 8, 96 // 8, 0x81, 0, codec, 24])
            length = 24 + len(head) + packet.size + 8
            kind = 0xFD if packet.is_keyframe else 0xFC
            fields = (kind, 0, 0, 0, number, length, 0, number * 41, len(head), 0)
            content += struct.pack("<4s4BIIIHBB", b"DHAV", *fields) + head + bytes(packet)
            content += struct.pack("<4sI", b"dhav", length)
    path.write_bytes(content)


def assert_decoded(path, frames=24):
    recorder, result = decode(path, "auto")
    expected = true_frames(path, 160, 96)
    assert (result["status"], result["frames_decoded"], result["damaged"]) == ("ok", frames, None)
    assert np.array_equal(recorder.frames, expected)
    assert probe(path, clip_length=16).frames == frames


def test_none_is_left_out():
    assert set(MADE) == set(VIDEO_SUFFIXES)
    assert len(VIDEO_SUFFIXES) == len(set(VIDEO_SUFFIXES))


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("shown", [str, str.upper])
def test_each_is_decoded_as_by_ffmpeg(tmp_path, suffix, shown):
    made = tmp_path / f"made.{suffix}"
    if suffix == "dav":
        dahua(made, DAHUA_H264, *MADE[suffix])
    else:
        ffmpeg(*pattern(rate="25" if suffix == "mxf" else "24"), *MADE[suffix], made)
    assert_decoded(made.rename(tmp_path / f"x.{shown(suffix)}"))


@pytest.mark.parametrize(
    "options", [(*X264, "-f", "h264"), (*HEVC, "-f", "hevc"), (*MPEG2, "-f", "vob"), (*X264, "-f", "mp4")]
)
def test_what_recorders_call_dav_is_of_many_kinds(tmp_path, options):
    ffmpeg(*pattern(), *options, tmp_path / "x.dav")
    assert_decoded(tmp_path / "x.dav")


def test_a_recording_in_hevc(tmp_path):
    dahua(tmp_path / "x.dav", DAHUA_HEVC, *HEVC, "-f", "hevc")
    assert_decoded(tmp_path / "x.dav")


def test_the_shared_recording():
    path = SHARED / "cases" / "ch01_20240101.h264"
    if path.exists():
        recorder, result = decode(path, "auto")
        height, width, _ = recorder.frames[0].shape
        assert (result["status"], result["damaged"]) == ("ok", None)
        assert np.array_equal(recorder.frames, true_frames(path, width, height))
