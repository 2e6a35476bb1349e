"""Decode and extract together, and how long a job takes to start."""

import pytest

from i3d.errors import UserError
from i3d.selfcheck import pipe_speed
from i3d.selfcheck.samples import Sample
from i3d.settings import NumericSettings
from tests.support.clips import h264_clip

from .conftest import engine_in

SETTINGS = NumericSettings(clip_length=8, frequency=8)


@pytest.fixture(scope="module")
def engine():
    return engine_in("fp32", "center_crop")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(h264_clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=17), 160, 96, "h264")


def test_videos_go_through_both_stages_until_the_time_is_up(engine, sample, monkeypatch):
    done = []
    forward = engine._forward

    def counting(snippets):
        done.append(snippets.float().mean())  # a decoded picture is not black
        return forward(snippets)

    monkeypatch.setattr(engine, "_forward", counting)
    rate = pipe_speed.measure(engine, [sample], SETTINGS, ["--threads=1"], 2.0)
    assert 0 < rate <= len(done) / 2.0
    assert len(done) > 2 and min(done) > 50


def test_frames_that_no_snippet_takes_are_left_out_as_in_a_run(engine, sample):
    assert pipe_speed.measure(engine, [sample], NumericSettings(clip_length=8, frequency=12), [], 1.0) > 0


def test_videos_without_snippets_have_no_rate(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(pipe_speed, "MOST_VIDEOS", 2)
    path = h264_clip(tmp_path / "short.mp4", frames=7)
    short = Sample(path, 160, 96, "h264")
    assert pipe_speed.measure(engine, [short], SETTINGS, [], 1.0) is None


def test_the_slower_stage_sets_the_pace_beside_a_gpu_alone():
    assert pipe_speed.expected_rate(1500.0, 1000.0, on_gpu=True) == 1000.0
    assert pipe_speed.expected_rate(1500.0, 500.0, on_gpu=False) == pytest.approx(375.0)


OPTIONS = ["--weights=random", "--sample-mode=center_crop", "--clip-length=8", "--frequency=8", "--device=cpu"]


def test_a_job_takes_time_to_start():
    seconds = pipe_speed.start_seconds(OPTIONS, SETTINGS, snippets_per_second=1e6)
    assert seconds > 0.5  # Python and torch alone


def test_a_job_that_fails_is_told_by_its_last_words():
    with pytest.raises(UserError, match=r"extract.py failed: error: .*nowhere.pth"):
        pipe_speed.start_seconds([*OPTIONS[1:], "--weights=nowhere.pth"], SETTINGS, 1.0)
