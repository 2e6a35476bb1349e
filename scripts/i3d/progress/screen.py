"""Shows how far a run is: bars that move on a terminal, a line a minute in a file or a pipe."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from i3d.progress.bundle import DECODE, BundleProgress
from i3d.progress.run import RunProgress, RunState, silence
from i3d.quantities import count, duration

if TYPE_CHECKING:
    from rich.table import Table

LIVE_SECONDS = 0.5  # between two pictures on a terminal
LINE_SECONDS = 60.0  # between two lines elsewhere
BUNDLES_SHOWN = 12  # at most, and no more than the terminal has room for


def open_screen(run: RunProgress, stream: TextIO) -> "LineScreen":
    """The screen that fits where `stream` goes; lines as well where rich is not installed."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return LiveScreen(run, stream)
        except ImportError:
            pass
    return LineScreen(run, stream)


class LineScreen:
    """Writes a line now and then, from a thread of its own, between `start` and `stop`."""

    def __init__(self, run: RunProgress, stream: TextIO, every: float = LINE_SECONDS) -> None:
        self.run = run
        self.stream = stream
        self.every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to show the run."""
        self._thread.start()

    def stop(self) -> None:
        """End it; nothing of a picture stays on the terminal."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def print(self, text: str) -> None:
        """Write text that stays."""
        print(text, file=self.stream, flush=True)

    def show(self, state: RunState) -> None:
        """Show the run as it is now."""
        self.print(f"{time.strftime('%H:%M:%S')} {state.line()}")

    def _tick(self) -> None:
        while not self._stopping.wait(self.every):
            state = self.run.read()
            if state is not None:
                self.show(state)


class LiveScreen(LineScreen):
    """Draws the run and its bundles as bars at the foot of a terminal; text that stays passes above them."""

    def __init__(self, run: RunProgress, stream: TextIO, every: float = LIVE_SECONDS) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(run, stream, every)
        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)

    def start(self) -> None:
        self._live.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self._live.stop()

    def print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, state: RunState) -> None:
        room = max(1, min(BUNDLES_SHOWN, self._console.height - 4))
        self._live.update(picture(state, room), refresh=True)


def picture(state: RunState, room: int) -> "Table":
    """The bars: one for the run, one for each bundle at work, for at most `room` bundles."""
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
    more = [
        f"{number:,} {what}"
        for number, what in ((len(state.running) - len(shown), "more at work"), (state.waiting, "waiting"))
        if number
    ]
    done = f"bundles: {state.bundles_done:,} of {state.bundles:,} done"
    outer = Table.grid()
    outer.expand = True
    outer.add_row(grid)
    outer.add_row(", ".join([done, *more]))
    return outer


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
