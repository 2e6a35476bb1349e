"""The counter: lines in a log, a bar on a terminal, a file for those who watch."""

import io
import logging

import pytest

from i3d.progress import bundle, counter
from i3d.progress.bundle import EXTRACT, BundleProgress, ProgressFile, read_progress
from i3d.progress.counter import Counter


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: clock[0] is the time, since whenever."""
    now = [100.0]
    for module in (counter.time, bundle.time):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
        monkeypatch.setattr(module, "time", lambda: now[0])
    return now


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return logging.getLogger("extract")


def to_do(videos: int, frames: int | None) -> BundleProgress:
    return BundleProgress("b" * 16, EXTRACT, videos, frames)


def test_lines_in_a_log_are_throttled_and_add_up(clock, log, caplog):
    stream = io.StringIO()
    with Counter(to_do(3, 1600), log, stream=stream) as counted:
        for second in range(1, 51):
            clock[0] = 100 + second
            counted.snippets_done(1)
            if second == 25:
                counted.video_done(400, 25)
    assert caplog.messages == [
        "1 of 3 videos, 30 snippets, 16 frames/s, 70 s left",
        "1 of 3 videos, 50 snippets, 16 frames/s, 50 s left",
    ]
    assert stream.getvalue() == ""  # no bar in a file


def test_time_left_follows_what_videos_turn_out_to_hold(clock, log):
    with Counter(to_do(3, 1600), log, stream=io.StringIO()) as counted:
        clock[0] += 10
        counted.snippets_done(10)
        assert counted.line().endswith("16 frames/s, 2 min left")
        counted.video_done(800, 10)  # 160 frames where 800 were planned
        assert counted.progress.frames == 960
        assert counted.line() == "1 of 3 videos, 10 snippets, 16 frames/s, 50 s left"
        counted.video_done(800, 0)  # failed
        assert counted.line() == "2 of 3 videos, 10 snippets, 16 frames/s, 0 s left"
        counted.video_done(0, 0)
        assert counted.line() == "3 of 3 videos, 10 snippets, 16 frames/s, 10 s in all"


def test_frequency_turns_snippets_into_frames(clock, log):
    with Counter(to_do(1, 100), log, frequency=8, stream=io.StringIO()) as counted:
        clock[0] += 2
        counted.snippets_done(5)
        assert counted.progress.frames_done == 40
        assert "20 frames/s, 3 s left" in counted.line()


def test_nothing_is_guessed_without_a_total_or_a_rate(clock, log):
    with Counter(to_do(1, None), log, stream=io.StringIO()) as counted:
        clock[0] += 1
        counted.snippets_done(2)
        counted.video_done(500, 2)
        assert counted.line() == "1 of 1 videos, 2 snippets, 32 frames/s"
    assert Counter(to_do(2, 100), log, stream=io.StringIO()).line() == "0 of 2 videos, 0 snippets, 0 frames/s"


def test_a_terminal_gets_a_bar_and_log_lines_stay_whole(log, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    handlers = logging.getLogger().handlers
    with Counter(to_do(2, 320), log, stream=stream, every=0) as counted:
        counted.snippets_done(10)
        counted.video_done(160, 10)
        bar, task = counted._bar
        assert (bar.tasks[task].completed, bar.tasks[task].total) == (160, 320)
        bar.refresh()
        log.info("x.mp4: ok")
        counted.video_done(160, 0)
        assert bar.tasks[task].total == 160
    drawn = stream.getvalue()
    assert "1 of 2 videos, 10 snippets" in drawn and "━" in drawn
    assert any(line.rstrip().endswith("x.mp4: ok") for line in drawn.splitlines())
    assert logging.getLogger().handlers == handlers


def test_the_file_says_how_far_it_is_from_the_start_to_the_end(clock, log, tmp_path):
    path = tmp_path / "progress/b.json"
    with Counter(to_do(2, 320), log, stream=io.StringIO(), file=ProgressFile(path)) as counted:
        started = read_progress(path)
        assert (started.started, started.updated, started.frames_done, started.ended) == (100, 100, 0, False)
        clock[0] += 0.4
        counted.snippets_done(1)
        assert read_progress(path).snippets == 0  # not yet
        clock[0] += 0.7
        counted.snippets_done(1)
        assert (read_progress(path).snippets, read_progress(path).frames_done) == (2, 32)
        counted.video_done(160, 2)
        counted.video_done(160, 0)
    ended = read_progress(path)
    assert (ended.videos_done, ended.frames, ended.ended) == (2, 32, True)


def test_the_last_line_comes_even_after_an_error(clock, log, caplog, tmp_path):
    path = tmp_path / "b.json"
    with (
        pytest.raises(RuntimeError),
        Counter(to_do(2, 320), log, stream=io.StringIO(), file=ProgressFile(path)),
    ):
        raise RuntimeError
    assert caplog.messages == ["0 of 2 videos, 0 snippets, 0 frames/s"]
    assert not read_progress(path).ended
