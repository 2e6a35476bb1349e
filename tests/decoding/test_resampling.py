"""Resampling picks the frames that ffmpeg's `fps` filter picks."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.decoding.constant_rate import resample
from i3d.decoding.held_file import UnreadableError
from tests.support.clips import FFMPEG_MAJOR, KINDS, X264, ffmpeg, pattern, true_frames
from tests.support.jpegs import HARD, MADE_FROM_OTHERS
from tests.support.paths import SHARED
from tests.support.recorder import decode

RESAMPLED = ["plain.mp4", "dropped.mp4", "late_picture.mp4", "trimmed.mp4", "b_frames.avi", "transport.ts", "raw.h264"]


@pytest.mark.parametrize("fps", [10, 29.97, 60])
@pytest.mark.parametrize("name", RESAMPLED)
def test_resampling_picks_the_frames_of_ffmpegs_filter(clips, name, fps):
    recorder, result = decode(clips[name], fps=fps)
    expected = true_frames(clips[name], *KINDS[name].size, fps=str(fps))
    assert result["frames_decoded"] == len(expected)
    assert np.array_equal(np.stack(recorder.frames), expected)
    assert "timestamp" in recorder.begin["decoder_reason"]


@pytest.mark.parametrize("name", [*HARD, *MADE_FROM_OTHERS])
def test_clocks_that_jump_restart_or_wrap_are_mended_as_by_the_program(hard, name):
    """And what it takes for a real hole is filled."""
    with av.open(str(hard[name])) as container:
        stream = container.streams.video[0]
        turned = "turned" in name
        size = (stream.height, stream.width) if turned else (stream.width, stream.height)
    for fps in (5, 29.97):
        assert_resampled_alike(hard[name], size, fps)


def test_the_shared_jump_is_mended():
    """Two parts of 100 frames, 60 seconds apart."""
    folder = SHARED / "cases"
    for name in ("jump60.ts", "continuous.ts") if folder.exists() else ():
        recorder, result = decode(folder / name, fps=5)
        expected = true_frames(folder / name, *recorder.frames[0].shape[1::-1], fps="5")
        assert result["frames_decoded"] == len(expected) == 40
        assert np.array_equal(recorder.frames, expected)


def assert_resampled_alike(path, size, fps):
    recorder, _ = decode(path, fps=fps)
    expected, frames = true_frames(path, *size, fps=str(fps)), np.array(recorder.frames)
    if FFMPEG_MAJOR < 7:  # it shows the last frame less long where the file does not say how long
        frames = frames[: len(expected)]
    assert len(frames) == len(expected)
    assert not len(expected) or np.array_equal(frames, expected)


def test_without_durations_the_last_frame_is_shown_as_long_as_the_one_before(tmp_path):
    late = "settb=1/1000,setpts='floor(N*1000/24+200*gt(N,22))'"
    ffmpeg(*pattern(), "-vf", late, "-enc_time_base", "1/1000", "-fps_mode", "passthrough", *X264, tmp_path / "x.mkv")
    assert_resampled_alike(tmp_path / "x.mkv", (160, 96), 25)


def test_resampling_the_shared_variable_rate_videos():
    for name in ("vfr_jitter.mp4", "vfr_dropped.mp4"):
        path = SHARED / "videos" / "decode" / name
        for fps in (10, 25, 30) if path.exists() else ():
            assert_resampled_alike(path, (320, 240), fps)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(1, 60))
def test_resampling_shows_at_each_instant_the_last_frame_that_is_due(gaps, fps):
    """The filter's rule, said the other way round: by instant instead of by frame."""
    starts = [Fraction(sum(gaps[: n + 1]), 100) for n in range(len(gaps))]
    ends = [*starts[1:], starts[-1] + Fraction(1, 25)]
    due = [int(start * fps + Fraction(1, 2)) for start in starts]
    instants = range(due[0], int(ends[-1] * fps + Fraction(1, 2)))
    expected = [max(frame for frame, instant in enumerate(due) if instant <= shown) for shown in instants]
    assert list(resample(zip(starts, ends, range(len(starts)), strict=True), Fraction(fps))) == expected


def test_resampling_refuses_to_fill_a_hole_of_hours():
    frames = [(Fraction(0), Fraction(1), "a"), (Fraction(7200), Fraction(7201), "b")]
    with pytest.raises(UnreadableError, match="jump by 7200 s"):
        list(resample(frames, Fraction(25)))
