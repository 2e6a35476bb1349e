"""The screen: bars on a terminal, a line now and then elsewhere."""

import io
import sys
import time

import pytest
from rich.console import Console

from i3d.progress import screen as screen_module
from i3d.progress.bundle import DECODE, EXTRACT, BundleProgress
from i3d.progress.run import RunState
from i3d.progress.screen import LineScreen, open_screen, picture
from tests.support.terminal import Terminal


class TerminalStream(io.StringIO):
    def isatty(self):
        return True


class Run:
    """A run that stands still."""

    def __init__(self, state: RunState | None) -> None:
        self.state = state

    def read(self):
        return self.state


def bundle(place: int, stage: str = EXTRACT, **more) -> BundleProgress:
    now = time.time()
    state = {"videos_done": 3, "frames_done": 5000, "snippets": 312, "started": now - 20, "updated": now} | more
    return BundleProgress(f"{place:016x}", stage, 10, 20_000, **state)


def state(*running: BundleProgress, **more) -> RunState:
    counts = {"bundles": 120, "bundles_done": 7, "videos": 1200, "videos_done": 73, "frames": 2_400_000}
    return RunState(
        **{"seconds": 100, **counts, "frames_done": 145_000, "snippets": 9062, "rate": 250} | more,
        running=list(running),
    )


def drawn(shown: RunState, room: int = 12, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=30)
    console.print(picture(shown, room))
    return console.file.getvalue().splitlines()


def test_a_picture_has_a_bar_for_the_run_and_one_for_each_bundle():
    lines = drawn(
        state(bundle(1), bundle(2, DECODE), bundle(3, started=None, frames_done=0, snippets=0, videos_done=0))
    )
    run, first, third, second, last = lines
    for words in ("run 2 min", "73/1,200 videos", "9,062 snippets", "250 frames/s", "2.5 h left"):
        assert words in run
    for words in ("00000000", "extract", "3/10 videos", "312 snippets", "250 frames/s", "60 s left"):
        assert words in first
    assert "getting ready" in third and "decode" in second and "snippet" not in second
    assert last.strip() == "bundles: 7 of 120 done, 110 waiting"
    assert all(len(line) <= 80 for line in lines)


def test_bars_are_as_long_as_what_is_done():
    run, first, second, _ = drawn(state(bundle(1), bundle(2, frames_done=20_000)), width=150)
    assert 3 <= run.count("━") < first.count("━") < second.count("━")
    assert second.count("━") == pytest.approx(4 * first.count("━"), abs=4)


def test_a_picture_fits_its_room():
    lines = drawn(state(*map(bundle, range(1, 101))), room=5)
    assert len(lines) == 7
    assert lines[-1].strip() == "bundles: 7 of 120 done, 95 more at work, 13 waiting"


def test_jobs_bear_their_numbers_and_silence_is_told():
    (line,) = [
        line for line in drawn(state(bundle(1, job="4711", updated=time.time() - 400)), width=110) if "4711" in line
    ]
    assert "job 4711" in line and "silent for 7 min" in line


ON_A_TERMINAL = """
import os, subprocess, sys, time
from i3d.progress.bundle import EXTRACT, BundleProgress
from i3d.progress.run import RunState
from i3d.progress.screen import LiveScreen, open_screen

class Run:
    def read(self):
        bundle = BundleProgress("a" * 16, EXTRACT, 10, 20_000, 3, 5000, 312, started=80.0, updated=100.0)
        return RunState(100, 2, 1, 20, 13, 40_000, 25_000, 1000, 250, [bundle])

screen = open_screen(Run(), sys.stderr)
assert type(screen) is LiveScreen
screen.every = 0.01
screen.start()
time.sleep(0.5)
screen.print("said: [red]x.mp4[/red]")
subprocess.run(["bash", "-c", "echo from a job >&2"])
print("from Python", file=sys.stderr)
sys.stderr.write("no end of line")
sys.stderr.flush()
screen.stop()
print("afterwards", file=sys.stderr)
"""


def test_a_terminal_gets_bars_that_leave_nothing_behind(tmp_path):
    terminal = Terminal([sys.executable, "-c", ON_A_TERMINAL], tmp_path, columns=100)
    assert terminal.end() == 0
    assert "312 snippets" in terminal.drawn
    assert terminal.shown == ["said: [red]x.mp4[/red]", "from a job", "from Python", "no end of line", "afterwards"]


def test_a_file_gets_lines():
    stream = io.StringIO()
    screen = open_screen(Run(state(bundle(1))), stream)
    assert type(screen) is LineScreen and screen.every == 60
    screen.every = 0.01
    screen.start()
    deadline = time.monotonic() + 60
    while stream.getvalue().count("\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    screen.stop()
    assert (
        stream.getvalue().splitlines()[0][9:].startswith("73 of 1,200 videos, 9,062 snippets, 250 frames/s, 2.5 h left")
    )
    assert "\x1b" not in stream.getvalue()


def test_nothing_is_shown_before_a_run_has_begun():
    stream = io.StringIO()
    screen = LineScreen(Run(None), stream, every=0.001)
    screen.start()
    time.sleep(0.05)
    screen.stop()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("lack", ["rich", "a terminal that can move its cursor"])
def test_without_rich_or_a_real_terminal_lines_do(monkeypatch, lack):
    if lack == "rich":
        for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
            monkeypatch.setitem(sys.modules, name, None)
    else:
        monkeypatch.setenv("TERM", "dumb")
    assert type(screen_module.open_screen(Run(None), TerminalStream())) is LineScreen
