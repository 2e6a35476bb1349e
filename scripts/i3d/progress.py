"""Progress within a bundle: now and then a line in the log, or a bar where somebody watches."""

import logging
import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TextIO

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from i3d.quantities import duration

EVERY_SECONDS = 30.0  # between two lines in a log


class Progress:
    """Counts videos and snippets as they get done and says how fast it goes and what is left.

    On a terminal it draws a bar, which other lines of the log pass above; into anything else it draws none and writes
    a line through `log` every half minute. Use it as a context manager; call it from one thread.
    """

    def __init__(
        self,
        total_videos: int,
        total_frames: int | None,
        log: logging.Logger,
        *,
        frequency: int = 16,
        stream: TextIO | None = None,
        every: float = EVERY_SECONDS,
    ) -> None:
        """`total_frames` may be an estimate, or None; `frequency` is the number of frames from snippet to snippet."""
        self.total_videos = total_videos
        self.total_frames = total_frames
        self.videos = 0
        self.snippets = 0
        self._log = log
        self._frequency = frequency
        self._stream = stream or sys.stderr
        self._every = every
        self._stack = ExitStack()
        self._bar: tqdm | None = None
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> "Progress":
        self._began = self._spoke = time.monotonic()  # loading the model does not count
        if self._stream.isatty():
            self._stack.enter_context(logging_redirect_tqdm())
            self._bar = self._stack.enter_context(
                tqdm(total=self.total_frames, unit=" frames", file=self._stream, dynamic_ncols=True, leave=False)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._log.info(self.line())

    @property
    def frames(self) -> int:
        """Frames of video done."""
        return self.snippets * self._frequency

    def snippets_done(self, count: int) -> None:
        """`count` more snippets have their features."""
        self.snippets += count
        if self._bar is not None:
            self._bar.update(count * self._frequency)
        self._speak()

    def video_done(self, planned_frames: int, snippets: int) -> None:
        """A video has ended with so many snippets; what was planned for it gives way to the truth."""
        self.videos += 1
        if self.total_frames is not None:
            self.total_frames += snippets * self._frequency - planned_frames
        if self._bar is not None:
            self._bar.total = self.total_frames
            self._bar.set_postfix_str(f"{self.videos} of {self.total_videos} videos")
        self._speak()

    def line(self) -> str:
        """How far it has come, in words."""
        seconds = time.monotonic() - self._began
        rate = self.frames / seconds if seconds > 0 else 0.0
        text = f"{self.videos} of {self.total_videos} videos, {self.snippets:,} snippets, {rate:,.0f} frames/s"
        if self.total_frames is None or not rate:
            return text
        left = max(0, self.total_frames - self.frames) / rate
        return text + (
            f", {duration(left)} left" if self.videos < self.total_videos else f", {duration(seconds)} in all"
        )

    def _speak(self) -> None:
        now = time.monotonic()
        if self._bar is None and now - self._spoke >= self._every:
            self._spoke = now
            self._log.info(self.line())
