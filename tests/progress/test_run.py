"""How far a run is, from its small files."""

import os
import time

import pytest

from i3d.progress import run as run_module
from i3d.progress.bundle import DECODE, EXTRACT, BundleProgress, ProgressFile
from i3d.progress.run import FILES_PER_SECOND, RunProgress, begin_run, silence
from i3d.records.bundles import Bundle, BundleEntry
from i3d.settings import NumericSettings

A, B, C = "a" * 16, "b" * 16, "c" * 16


def make_bundle(name: str, *frames: int) -> Bundle:
    entries = [
        BundleEntry(video=f"{name[0]}{place}.mp4", path="", feature="", digest="", frames=length)
        for place, length in enumerate(frames)
    ]
    return Bundle(name=name, settings=NumericSettings(), videos=entries)


@pytest.fixture
def folder(tmp_path):
    """The progress of a run of three bundles that has just begun."""
    begin_run(tmp_path / "progress", [make_bundle(A, 100, 200), make_bundle(B, 300), make_bundle(C, 400)])
    return tmp_path / "progress"


def say(folder, name: str, stage: str, videos: int, frames: int | None, rate: float = 0, **more) -> None:
    """Let a stage say how far it is; `rate` is its frames per second."""
    progress = BundleProgress(name, stage, videos, frames, **more)
    if rate:
        progress.started = time.time() - progress.frames_done / rate
    ProgressFile(folder / stage / f"{name}.json").write(progress, now=True)


def test_a_run_that_has_just_begun(folder):
    state = RunProgress(folder).read()
    assert (state.bundles, state.bundles_done, state.waiting) == (3, 0, 3)
    assert (state.videos, state.videos_done, state.frames, state.frames_done) == (4, 0, 1000, 0)
    assert state.seconds_left is None and state.running == []
    assert state.line() == "0 of 4 videos; bundles: 0 of 3 done, 3 waiting"


def test_bundles_in_every_state_add_up(folder):
    say(folder, A, DECODE, 2, None, rate=500, frames_done=300, ended=True)
    say(folder, A, EXTRACT, 2, 280, rate=50, videos_done=2, frames_done=280, snippets=17, ended=True)
    say(folder, B, DECODE, 1, None, rate=500, frames_done=300)
    say(folder, B, EXTRACT, 1, 300, rate=50, frames_done=100, snippets=6)
    say(folder, C, DECODE, 1, None, rate=500, frames_done=200)
    state = RunProgress(folder).read()
    assert [(progress.bundle, progress.stage) for progress in state.running] == [(B, EXTRACT), (C, DECODE)]
    assert state.running[1].frames == 400  # from the outline
    assert (state.bundles_done, state.waiting, state.videos_done, state.snippets) == (1, 0, 2, 23)
    assert (state.frames, state.frames_done) == (980, 380)  # the first bundle turned out to be shorter
    assert state.rate == pytest.approx(50, rel=0.1)
    assert state.seconds_left == pytest.approx(12, rel=0.1)
    words, _, bundles = state.line().partition("; ")
    assert words.startswith("2 of 4 videos, 23 snippets, ") and words.endswith("s left")
    assert bundles == "bundles: 1 of 3 done, 1 extracting, 1 decoding"


def test_bundles_at_work_at_once_are_as_fast_as_their_sum(folder):
    say(folder, A, EXTRACT, 2, 300, rate=40, frames_done=100)
    say(folder, B, EXTRACT, 1, 300, rate=60, frames_done=100)
    assert RunProgress(folder).read().rate == pytest.approx(100, rel=0.1)


def test_between_two_bundles_the_rate_is_that_of_before(folder):
    run = RunProgress(folder)
    say(folder, A, EXTRACT, 2, 300, rate=50, videos_done=2, frames_done=300, ended=True)
    assert run.read().rate == pytest.approx(50, rel=0.1)


def test_videos_of_an_earlier_attempt_count_as_done(folder):
    say(folder, A, EXTRACT, 1, 200, rate=50, frames_done=100)
    state = RunProgress(folder).read()
    assert (state.videos_done, state.frames, state.frames_done) == (1, 900, 100)


def test_files_of_many_bundles_are_read_less_often(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: now[0])
    for name in (A, B, C):
        say(folder, name, EXTRACT, 1, 300, rate=50, frames_done=100)
    run = RunProgress(folder)
    assert run.read().frames_done == 300
    say(folder, A, EXTRACT, 1, 300, rate=50, frames_done=200)
    now[0] = 2.9 / FILES_PER_SECOND
    assert run.read().frames_done == 300
    now[0] = 3.1 / FILES_PER_SECOND
    assert run.read().frames_done == 400


def test_a_bundle_that_has_ended_is_not_read_again(folder):
    say(folder, A, EXTRACT, 2, 300, rate=50, videos_done=2, frames_done=300, ended=True)
    run = RunProgress(folder)
    assert run.read().bundles_done == 1
    (folder / EXTRACT / f"{A}.json").write_text("not read")
    assert run._sum(run.outline, [*run._running(run.outline)]).bundles_done == 1


def test_strangers_and_damaged_files_are_passed_over(folder):
    say(folder, "d" * 16, EXTRACT, 1, 300)
    (folder / EXTRACT / f"{B}.json").write_text("{")
    (folder / EXTRACT / "x.part").write_text("")
    assert RunProgress(folder).read().waiting == 3


def test_a_new_run_forgets_the_one_before(folder):
    say(folder, A, EXTRACT, 2, 300, frames_done=10)
    begin_run(folder, [make_bundle(A, 100)])
    state = RunProgress(folder).read()
    assert (state.bundles, state.running) == (1, [])


def test_a_run_is_over_when_its_files_or_its_process_are_gone(folder, monkeypatch):
    run = RunProgress(folder)
    assert not run.over
    begin_run(folder, [])
    assert run.over  # another run's
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)  # above the largest process number
    begin_run(folder, [])
    assert RunProgress(folder).over
    assert RunProgress(folder / "nowhere").over
    assert RunProgress(folder / "nowhere").read() is None


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "progress").write_text("a file where the folder should be")
    begin_run(tmp_path / "progress", [])
    assert RunProgress(tmp_path / "progress").outline is None


def test_a_bundle_that_says_nothing_is_silent():
    now = time.time()
    assert silence(BundleProgress(A, EXTRACT, 1, 1, updated=now - 60)) == 0
    assert silence(BundleProgress(A, EXTRACT, 1, 1, updated=now - 600)) == pytest.approx(600, abs=10)
