"""Files that are not what their suffix says, or hold more than FFmpeg decodes, are called what they are."""

import numpy as np
import pytest
from PIL import Image

from i3d.decoding.probe import probe
from tests.support.clips import X264, ffmpeg, h264_clip, pattern, true_frames
from tests.support.paths import SHARED
from tests.support.recorder import decode

JOINED = "several videos are joined in this file, and FFmpeg decodes the first alone"
FRAGMENT = "a fragment of a video without its init segment; join the init segment and its fragments, in order"
INIT = "the init segment of a video without its fragments; join them, in order"
WEBP = "an animated WebP picture, which FFmpeg cannot decode; save it as a GIF or a video"
PHOTOGRAPH = "a photograph with a video behind it; save the video as a file of its own"


def outcomes(path):
    """What planning and decoding say, with both decoders: (reason, damaged, frames) of each."""
    found = probe(path, clip_length=16)
    ends = [decode(path, decoder)[1] for decoder in ("auto", "decord")]
    return [(found.reason, found.damaged, found.frames)] + [
        (end["reason"], end["damaged"], end["frames_decoded"]) for end in ends
    ]


def joined(folder, name, *options):
    """Two videos of 20 and 30 frames in one file."""
    content = b""
    for frames in (20, 30):
        part = folder / f"{frames}_{name}"
        ffmpeg(*pattern(frames), *options, part)
        content += part.read_bytes()
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture
def pictures():
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (96, 160, 3), np.uint8)) for _ in range(20)]


@pytest.fixture
def fragments(tmp_path):
    """An init segment and three fragments."""
    options = ["-g", "10", "-hls_time", "0.4", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
    ffmpeg(*pattern(30, rate="25"), *X264, *options, tmp_path / "list.m3u8")
    return [tmp_path / "init.mp4", *sorted(tmp_path.glob("*.m4s"))]


@pytest.mark.parametrize(
    ("name", "options"),
    [("x.mp4", X264), ("x.mov", X264), ("x.flv", X264), ("sound.flv", ()), ("x.wmv", ("-c:v", "wmv2"))],
)
def test_joined_files_of_which_ffmpeg_decodes_the_first(tmp_path, name, options):
    if not options:
        options = (*X264, "-f", "flv", "-flvflags", "no_duration_filesize")
    path = joined(tmp_path, name, *options)
    assert len(true_frames(path, 160, 96)) == 20
    assert outcomes(path) == [(None, JOINED, 20)] * 3


@pytest.mark.parametrize(
    ("name", "options"),
    [("x.ts", X264), ("x.mkv", X264), ("x.avi", ("-c:v", "mpeg4")), ("x.mpg", ("-c:v", "mpeg2video"))],
)
def test_joined_files_that_are_decoded_to_the_end_are_whole(tmp_path, name, options):
    path = joined(tmp_path, name, *options)
    assert len(true_frames(path, 160, 96)) == 50
    assert JOINED not in str(outcomes(path))
    assert outcomes(path)[1] == (None, None, 50)


def test_sound_files_are_neither_joined_nor_cut(clips):
    for name in ("plain.mp4", "sound.flv", "windows.wmv", "fragments.mp4", "timecode.mov", "vp9.webm", "live.mkv"):
        assert [damaged for _, damaged, _ in outcomes(clips[name])] == [None] * 3


@pytest.mark.parametrize("name", ["plain.mkv", "alternate_reference.webm", "windows.wmv", "sound.flv", "fragments.mp4"])
@pytest.mark.parametrize("share", [0.4, 0.5, 0.9])
def test_files_that_break_off_without_a_count_in_the_header(clips, tmp_path, name, share):
    data = clips[name].read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: int(share * len(data))])
    frames = len(true_frames(cut, 160, 96))
    assert 0 < frames < 24
    for reason, damaged, decoded in outcomes(cut):
        assert (reason, decoded) == (None, frames)
        assert "the file breaks off" in damaged
    assert probe(cut, clip_length=16).declared is None


def test_a_file_that_breaks_off_between_two_packets_tells_how_much_is_there(tmp_path):
    whole = tmp_path / "whole.flv"
    ffmpeg(*pattern(60), *X264, "-bf", "0", whole)
    data = whole.read_bytes()
    place = 13  # of the first tag, after the header and a length
    for _ in range(32):  # metadata, the coder's parameters and 30 pictures
        place += 11 + int.from_bytes(data[place + 1 : place + 4]) + 4
    cut = tmp_path / "cut.flv"
    cut.write_bytes(data[:place])
    assert outcomes(whole) == [(None, None, 60)] * 3
    assert outcomes(cut) == [(None, "the file breaks off; 30 of about 60 frames decoded", 30)] * 3
    assert decode(cut, "decord")[0].begin["decoder_reason"] == "decord does not notice that the file breaks off"


def test_fragments_and_their_init_segment(tmp_path, fragments):
    whole, twice = tmp_path / "whole.mp4", tmp_path / "twice.mp4"
    init, *segments = (part.read_bytes() for part in fragments)
    whole.write_bytes(init + b"".join(segments))
    twice.write_bytes(b"".join(init + segment for segment in segments))
    assert len(segments) == 3
    assert outcomes(whole) == outcomes(twice) == [(None, None, 30)] * 3
    assert outcomes(fragments[0]) == [(INIT, None, 0)] * 3
    for segment in fragments[1:]:
        assert outcomes(segment) == [(FRAGMENT, None, 0)] * 3


def test_animated_pictures(tmp_path, pictures):
    first, *others = pictures
    for name, kind in (("x.mp4", "WEBP"), ("gif.mp4", "GIF"), ("png.mp4", "PNG")):
        first.save(tmp_path / name, kind, save_all=True, append_images=others, duration=40)
    assert outcomes(tmp_path / "x.mp4") == [(WEBP, None, 0)] * 3
    assert outcomes(tmp_path / "gif.mp4") == outcomes(tmp_path / "png.mp4") == [(None, None, 20)] * 3
    first.save(tmp_path / "still.mp4", "WEBP")
    assert outcomes(tmp_path / "still.mp4") == [(None, None, 1)] * 3


def test_a_photograph_with_a_video_behind_it(tmp_path, pictures, clips):
    pictures[0].save(tmp_path / "still.mp4", "JPEG")
    photograph = (tmp_path / "still.mp4").read_bytes()
    (tmp_path / "motion.mp4").write_bytes(photograph + clips["plain.mp4"].read_bytes())
    (tmp_path / "tail.mp4").write_bytes(photograph + b"ftyp, as words" * 9)
    assert outcomes(tmp_path / "motion.mp4") == [(PHOTOGRAPH, None, 1)] * 3
    assert outcomes(tmp_path / "still.mp4") == outcomes(tmp_path / "tail.mp4") == [(None, None, 1)] * 3


def test_the_headers_count_and_the_damage_are_known_at_planning(tmp_path):
    whole = tmp_path / "whole.avi"
    ffmpeg(*pattern(60), "-c:v", "mpeg4", "-g", "5", whole)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 4])
    found, (_, end) = probe(cut, clip_length=16), decode(cut)
    assert (found.declared, found.exact, found.damaged) == (60, True, end["damaged"])
    assert f"{found.frames} of 60 declared frames decoded" in found.damaged
    assert probe(h264_clip(tmp_path / "x.mkv"), clip_length=16).declared is None


def test_the_shared_cases():
    folder = SHARED / "cases"
    if folder.exists():
        assert outcomes(folder / "cat_two.mp4") == [(None, JOINED, 40)] * 3
        assert outcomes(folder / "dash_seg_001.mp4") == [(FRAGMENT, None, 0)] * 3
        assert outcomes(folder / "dash_init.mp4") == [(INIT, None, 0)] * 3
        found = probe(folder / "avi_halfcut.avi", clip_length=16)
        assert (found.frames, found.declared) == (11, 60)
        assert "11 of 60 declared frames decoded" in found.damaged
