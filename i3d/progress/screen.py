"""Showing the progress of a run: bars on a terminal, a line a minute in a file or a pipe."""

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from i3d.progress.bundle import DECODE, BundleProgress
from i3d.progress.run import RunProgress, RunState, silence
from i3d.quantities import count, duration

if TYPE_CHECKING:
    from rich.console import Group

STDERR = 2
LIVE_SECONDS = 1.0  # between two updates of the bars on a terminal
LINE_SECONDS = 60.0  # between two lines elsewhere
DRAIN_SECONDS = 5.0  # at most, to print what others have written
MARK = b"\0end of diversion\0"  # the last bytes of a diverted stream
BUNDLES_SHOWN = 12  # at most, if the terminal has room for them


def open_screen(run: RunProgress, stream: TextIO) -> "LineScreen":
    """Return the screen that suits `stream`: lines unless it is a terminal and rich is installed."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return LiveScreen(run, stream)
        except ImportError:
            pass
    return LineScreen(run, stream)


class LineScreen:
    """Writes a line every `every` seconds, from a thread of its own, between `start` and `stop`."""

    def __init__(self, run: RunProgress, stream: TextIO, every: float = LINE_SECONDS) -> None:
        self.run = run
        self.stream = stream
        self.every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def start(self) -> None:
        """Start showing the run."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and clear the bars from the terminal."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def print(self, text: str) -> None:
        """Write permanent text."""
        print(text, file=self.stream, flush=True)

    def show(self, state: RunState) -> None:
        """Show the current state of the run."""
        self.print(f"{time.strftime('%H:%M:%S')} {state.line()}")

    def _tick(self) -> None:
        while not self._stopping.wait(self.every):
            state = self.run.read()
            if state is not None:
                self.show(state)


class LiveScreen(LineScreen):
    """Draws the run and its bundles as bars at the foot of a terminal, below permanent text.

    If `stream` is this process's standard error, the output of jobs to the terminal goes above the bars as well.
    """

    def __init__(self, run: RunProgress, stream: TextIO, every: float = LIVE_SECONDS) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(run, stream, every)
        terminal = os.fdopen(os.dup(stream.fileno()), "w")
        self._console = Console(file=terminal, force_terminal=True, highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._drawing = threading.Lock()  # rich's own does not cover writing to the terminal
        self._others = Diversion(STDERR, self.print) if stream.fileno() == STDERR else None

    def start(self) -> None:
        self._live.start()
        if self._others:
            self._others.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        if self._others:
            self._others.stop()
        with self._drawing:
            self._live.stop()

    def print(self, text: str) -> None:
        with self._drawing:
            self._console.print(text, markup=False, soft_wrap=True)

    def show(self, state: RunState) -> None:
        room = max(1, min(BUNDLES_SHOWN, self._console.height - 4))
        with self._drawing:
            self._live.update(picture(state, room), refresh=True)


class Diversion:
    """Passes what this process and its children write to a file descriptor to `print_line`, line by line."""

    def __init__(self, descriptor: int, print_line: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._print_line = print_line
        self._drained = threading.Event()

    def start(self) -> None:
        """Start passing lines on."""
        self._before = os.dup(self._descriptor)
        self._out, self._in = os.pipe()
        os.dup2(self._in, self._descriptor)
        threading.Thread(target=self._forward, name="diversion", daemon=True).start()

    def stop(self) -> None:
        """Restore the descriptor, once all lines so far are passed on; later ones of a child are still passed on."""
        os.dup2(self._before, self._descriptor)
        os.close(self._before)
        os.write(self._in, MARK)
        self._drained.wait(DRAIN_SECONDS)

    def _forward(self) -> None:
        rest = b""
        while part := os.read(self._out, 1 << 16):
            before, mark, after = (rest + part).partition(MARK)
            *lines, rest = before.split(b"\n")
            if mark:
                lines, rest = [*lines, rest] if rest else lines, after
            for line in lines:
                self._print_line(line.decode(errors="replace").rstrip("\r"))
            if mark:
                self._drained.set()


def picture(state: RunState, room: int) -> "Group":
    """Return the bars: one for the run, and one for each of at most `room` bundles at work."""
    from rich.console import Group
    from rich.table import Column, Table

    words = [Column(no_wrap=True) for _ in range(6)]
    grid = Table.grid(words[0], Column(ratio=1, min_width=6), *words[1:], padding=(0, 1))
    grid.expand = True
    shown = sorted(state.running, key=lambda progress: (progress.stage == DECODE, progress.bundle))[:room]
    grid.add_row(
        f"run {duration(state.seconds)}",
        _bar(state.frames_done, state.frames),
        "",
        f"{state.videos_done:,}/{state.videos:,} videos",
        count(state.snippets, "snippet"),
        f"{state.rate:,.0f} frames/s" if state.rate else "",
        _left(state.seconds_left),
    )
    for progress in shown:
        grid.add_row(*_bundle_row(progress))
    hidden = len(state.running) - len(shown)
    more = [f"{hidden:,} more at work"] if hidden else []
    more += [state.waiting_text] if state.waiting else []
    done = f"bundles: {state.bundles_done:,} of {state.bundles:,} done"
    return Group(grid, ", ".join([done, *more]))  # a short last line leaves room for the ^C that a terminal adds


def _bundle_row(progress: BundleProgress) -> tuple[Any, ...]:
    silent = silence(progress)
    if silent:
        last = f"silent for {duration(silent)}"
    elif progress.started is None:
        last = "getting ready"
    elif progress.ended:
        last = "all decoded"
    else:
        last = _left(progress.seconds_left)
    return (
        f"{progress.bundle[:8]} job {progress.job}" if progress.job else progress.bundle[:8],
        _bar(progress.frames_done, progress.frames if progress.started else None),
        progress.stage,
        f"{progress.videos_done:,}/{progress.videos:,} videos",
        count(progress.snippets, "snippet") if progress.stage != DECODE else "",
        f"{progress.rate:,.0f} frames/s" if progress.rate else "",
        last,
    )


def _bar(done: int, total: int | None) -> Any:
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=total, completed=done, pulse=total is None)


def _left(seconds: float | None) -> str:
    return f"{duration(seconds)} left" if seconds is not None else ""
