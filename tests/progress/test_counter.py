"""Progress: lines in a log, a bar on a terminal."""

import io
import logging

import pytest

from i3d import progress
from i3d import quantities as words
from i3d.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: clock[0] is the time."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return logging.getLogger("extract")


def test_lines_in_a_log_are_throttled_and_add_up(clock, log, caplog):
    stream = io.StringIO()
    with Progress(3, 1600, log, stream=stream) as shown:
        for second in range(1, 51):
            clock[0] = 100 + second
            shown.snippets_done(1)
            if second == 25:
                shown.video_done(400, 25)
    assert caplog.messages == [
        "1 of 3 videos, 30 snippets, 16 frames/s, 70 s left",
        "1 of 3 videos, 50 snippets, 16 frames/s, 50 s left",
    ]
    assert stream.getvalue() == ""  # no bar in a file


def test_time_left_follows_what_videos_turn_out_to_hold(clock, log):
    shown = Progress(3, 1600, log)
    clock[0] += 10
    shown.snippets_done(10)
    assert shown.line().endswith("16 frames/s, 2 min left")
    shown.video_done(800, 10)  # 160 frames where 800 were planned
    assert shown.total_frames == 960
    assert shown.line() == "1 of 3 videos, 10 snippets, 16 frames/s, 50 s left"
    shown.video_done(800, 0)  # failed
    assert shown.line() == "2 of 3 videos, 10 snippets, 16 frames/s, 0 s left"
    shown.video_done(0, 0)
    assert shown.line() == "3 of 3 videos, 10 snippets, 16 frames/s, 10 s in all"


def test_frequency_turns_snippets_into_frames(clock, log):
    shown = Progress(1, 100, log, frequency=8)
    clock[0] += 2
    shown.snippets_done(5)
    assert shown.frames == 40
    assert "20 frames/s, 3 s left" in shown.line()


def test_nothing_is_guessed_without_a_total_or_a_rate(clock, log):
    shown = Progress(1, None, log)
    clock[0] += 1
    shown.snippets_done(2)
    shown.video_done(500, 2)
    assert shown.line() == "1 of 1 videos, 2 snippets, 32 frames/s"
    assert Progress(2, 100, log).line() == "0 of 2 videos, 0 snippets, 0 frames/s"


def test_a_terminal_gets_a_bar_and_log_lines_stay_whole(log, caplog):
    stream = Terminal()
    with Progress(2, 320, log, stream=stream, every=0) as shown:
        shown.snippets_done(10)
        shown.video_done(160, 10)
        assert shown._bar.n == 160 and shown._bar.total == 320
        shown.video_done(160, 0)
        assert shown._bar.total == 160
    drawn = stream.getvalue()
    assert "frames/s" in drawn and "/320 [" in drawn and "1 of 2 videos" in drawn
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("2 of 2 videos, 10 snippets")


def test_the_last_line_comes_even_after_an_error(clock, log, caplog):
    with pytest.raises(RuntimeError), Progress(2, 320, log, stream=io.StringIO()):
        raise RuntimeError
    assert caplog.messages == ["0 of 2 videos, 0 snippets, 0 frames/s"]


def test_numbers_in_words():
    assert [words.duration(seconds) for seconds in (0.4, 89, 90, 3600, 5400, 86400)] == [
        *("0 s", "89 s", "2 min", "60 min", "1.5 h", "24.0 h"),
    ]
    assert [words.count(number, "video") for number in (0, 1, 2000)] == ["0 videos", "1 video", "2,000 videos"]
    assert [words.size(number) for number in (0, 999, 1000, 61_400_000, 2.5e15)] == [
        *("0 B", "999 B", "1 kB", "61.4 MB", "2,500.0 TB"),
    ]
