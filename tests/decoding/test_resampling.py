"""Resampling picks the frames that ffmpeg's `fps` filter picks."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.decoding.resampling import resample
from i3d.decoding.video_file import UnreadableError
from tests.support.clips import KINDS, true_frames
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


def test_resampling_the_shared_variable_rate_videos():
    for name, size in {"decode/vfr_jitter.mp4": (320, 240), "decode/vfr_dropped.mp4": (320, 240)}.items():
        if (SHARED / "videos" / name).exists():
            for fps in (10, 25, 30):
                recorder, _ = decode(SHARED / "videos" / name, fps=fps)
                assert np.array_equal(
                    np.stack(recorder.frames), true_frames(SHARED / "videos" / name, *size, fps=str(fps))
                )


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
