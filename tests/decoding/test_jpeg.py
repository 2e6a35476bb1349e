"""Pictures through JPEG against those of the ffmpeg program, read with Pillow."""

import io

import pytest
from av.codec.context import Flags
from PIL import Image

from i3d.decoding import jpeg
from i3d.decoding.constant_rate import picture_rate
from i3d.decoding.damage import Faults
from i3d.decoding.timestamps import PacketTimes
from i3d.decoding.video_file import Video
from tests.support.clips import KINDS
from tests.support.jpegs import HARD, MADE_FROM_OTHERS, NAMELESS, program_pictures, same
from tests.support.paths import SHARED
from tests.support.recorder import decode


@pytest.fixture
def nameless(monkeypatch):
    """Have the encoder leave its name out of the files, as NAMELESS has the program: it counts towards the budget.

    It is one byte shorter in the program of imageio-ffmpeg 0.6.0 ("Lavc61.3.100"), enough to change the quality of a
    picture here and there.
    """
    with_name = jpeg.jpeg_encoder

    def without_name(*arguments):
        encoder = with_name(*arguments)
        encoder.flags |= Flags.bitexact.value
        return encoder

    monkeypatch.setattr(jpeg, "jpeg_encoder", without_name)


def pictures_of(path):
    recorder, result = decode(path, via_jpeg=True)
    assert (result["status"], result["reason"]) == ("ok", None)
    assert result["frames_decoded"] == len(recorder.frames) > 0
    assert recorder.begin["decoder"] == "pyav"
    assert (recorder.begin["height"], recorder.begin["width"]) == recorder.frames[0].shape[:2]
    return recorder.frames


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_clip(clips, nameless, name):
    program = program_pictures(clips[name], "-threads", "1", output=NAMELESS)  # one thread: damage is concealed alike
    assert same(pictures_of(clips[name]), program)


@pytest.mark.parametrize("name", [*HARD, *MADE_FROM_OTHERS])
def test_hard_timestamps_and_pictures(hard, nameless, name):
    program = program_pictures(hard[name], "-threads", "1", output=NAMELESS)  # several refuse a chained Theora
    assert same(pictures_of(hard[name]), program)


def test_the_budget_is_that_of_most_versions(clips):
    """13 letters, as in FFmpeg 4, 5, 6.1 and 7.1; where PyAV brings another, a few pictures change their quality."""
    video = Video(clips["plain.mp4"])
    file = next(jpeg.jpeg_files(video, video.decode(Faults(), PacketTimes(video).mend)))
    name = Image.open(io.BytesIO(file)).info["comment"].rstrip(b"\0")
    assert name.startswith(b"Lavc")
    assert len(name) == 13


def test_shared_videos():
    """Sound files of many kinds and real recordings, their names included."""
    folder = SHARED / "videos"
    names = sorted([*folder.glob("decode/*"), *folder.glob("real/*")]) if folder.exists() else []
    for path in names:
        recorder, result = decode(path, via_jpeg=True)
        program = program_pictures(path, "-threads", "1")
        assert (path.name, result["frames_decoded"]) == (path.name, len(program))
        assert same(recorder.frames, program), path.name


def test_says_why_nothing_can_be_decoded(undecodable):
    for words, path in undecodable.items():
        recorder, result = decode(path, via_jpeg=True)
        assert (result["status"], result["frames_decoded"], recorder.frames) == ("unreadable", 0, [])
        assert words in result["reason"]


def test_the_rate_told_is_that_of_the_pictures(hard):
    recorder, _ = decode(hard["gap.mp4"], via_jpeg=True)
    video = Video(hard["gap.mp4"])
    assert recorder.begin["fps"] == float(picture_rate(video.stream)) != float(video.rate)
    assert len(recorder.frames) / recorder.begin["fps"] == pytest.approx(float(video.seconds), abs=0.1)
