"""Counting what a bundle's extraction has done, for its log, its progress file and a bar on a terminal."""

import logging
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, TextIO

from i3d.progress.bundle import BundleProgress, ProgressFile
from i3d.quantities import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_SECONDS = 30.0  # between two lines in a log


class Counter:
    """Counts finished videos and snippets, and reports the rate and the time left.

    On a terminal it draws a bar below the lines of the log; elsewhere it logs a line every half minute. Use it as a
    context manager, from one thread.
    """

    def __init__(
        self,
        progress: BundleProgress,
        log: logging.Logger,
        *,
        frequency: int = 16,
        file: ProgressFile | None = None,
        stream: TextIO | None = None,
        every: float = EVERY_SECONDS,
    ) -> None:
        """Count into `progress`, which holds the work to do; `frequency` is the frames from snippet to snippet."""
        self.progress = progress
        self._log = log
        self._frequency = frequency
        self._file = file
        self._stream = stream or sys.stderr
        self._every = every
        self._stack = ExitStack()
        self._bar: tuple[Progress, TaskID] | None = None
        self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        self.progress.started = time.time()  # loading the model does not count
        self._spoke = time.monotonic()
        if self._stream.isatty():
            self._draw_bar()
        self._note(now=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        self.progress.ended = kind is None
        self._note(now=True)
        self._log.info(self.line())

    def snippets_done(self, count: int) -> None:
        """Count snippets whose features are computed."""
        self.progress.snippets += count
        self.progress.frames_done += count * self._frequency
        self._speak()

    def video_done(self, planned_frames: int, snippets: int) -> None:
        """Count a finished video, and replace its planned number of frames by the true one."""
        self.progress.videos_done += 1
        if self.progress.frames is not None:
            self.progress.frames += snippets * self._frequency - planned_frames
        self._speak()

    def line(self) -> str:
        """Return how far the work is, in words."""
        progress = self.progress
        videos = f"{progress.videos_done} of {progress.videos} videos"
        text = f"{videos}, {progress.snippets:,} snippets, {progress.rate:,.0f} frames/s"
        left = progress.seconds_left
        if left is None or progress.started is None:
            return text
        if progress.videos_done < progress.videos:
            return f"{text}, {duration(left)} left"
        return f"{text}, {duration(progress.updated - progress.started)} in all"

    def _speak(self) -> None:
        self._note()
        if self._bar is None and time.monotonic() - self._spoke >= self._every:
            self._spoke = time.monotonic()
            self._log.info(self.line())

    def _note(self, *, now: bool = False) -> None:
        self.progress.updated = time.time()
        if self._file is not None:
            self._file.write(self.progress, now=now)
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=self.progress.frames_done, total=self.progress.frames, text=self.line())

    def _draw_bar(self) -> None:
        """Draw a bar from now on, with the lines of the log above it."""
        from rich.console import Console
        from rich.logging import RichHandler
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(file=self._stream)
        bar = Progress(BarColumn(), TextColumn("{task.fields[text]}"), console=console, transient=True)
        self._stack.enter_context(bar)
        self._bar = bar, bar.add_task("", total=self.progress.frames, text=self.line())
        handler = RichHandler(console=console, show_level=False, show_path=False, log_time_format="%H:%M:%S")
        root = logging.getLogger()
        handlers = root.handlers
        root.handlers = [handler]
        self._stack.callback(setattr, root, "handlers", handlers)
