"""Counting the frames that enter a bundle's frame stream."""

import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from i3d.frame_stream import StreamWriter
from i3d.progress.bundle import DECODE, BundleProgress, ProgressFile


class CountingWriter(StreamWriter):
    """A stream writer that keeps the progress file of its bundle up to date."""

    def __init__(self, stream: BinaryIO, path: Path, videos: int) -> None:
        """Write to `stream`; `path`, named after the bundle, is the progress file; `videos` are to be decoded."""
        super().__init__(stream)
        self._progress = BundleProgress(path.stem, DECODE, videos, frames=None, started=time.time())
        self._file_of_progress = ProgressFile(path)
        self._frames: dict[int, int] = {}  # by video; reset when a video begins again
        self._note(now=True)

    def begin(self, video: int, info: dict[str, Any]) -> None:
        super().begin(video, info)
        self._progress.frames_done -= self._frames.get(video, 0)
        self._frames[video] = 0

    def frames(self, video: int, frames: np.ndarray) -> None:
        super().frames(video, frames)
        self._progress.frames_done += len(frames)
        self._frames[video] += len(frames)
        self._note()

    def end(self, video: int, result: dict[str, Any]) -> None:
        super().end(video, result)
        self._progress.videos_done += 1
        self._note()

    def close(self) -> None:
        super().close()
        self._progress.ended = True
        self._note(now=True)

    def _note(self, *, now: bool = False) -> None:
        self._file_of_progress.write(self._progress, now=now)
