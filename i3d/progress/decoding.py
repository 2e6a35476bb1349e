"""Counts what goes into a bundle's frame stream."""

import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from i3d.frame_stream import StreamWriter
from i3d.progress.bundle import DECODE, BundleProgress, ProgressFile


class CountingWriter(StreamWriter):
    """A stream writer that keeps the progress file of its bundle up to date; the file bears the bundle's name."""

    def __init__(self, stream: BinaryIO, path: Path, videos: int) -> None:
        """`videos` is how many are to be decoded."""
        super().__init__(stream)
        self._progress = BundleProgress(path.stem, DECODE, videos, frames=None, started=time.time())
        self._told = ProgressFile(path)
        self._frames: dict[int, int] = {}  # of each video; one that begins again loses its own
        self._told.write(self._progress, now=True)

    def begin(self, video: int, info: dict[str, Any]) -> None:
        super().begin(video, info)
        self._progress.frames_done -= self._frames.get(video, 0)
        self._frames[video] = 0

    def frames(self, video: int, frames: np.ndarray) -> None:
        super().frames(video, frames)
        self._progress.frames_done += len(frames)
        self._frames[video] += len(frames)
        self._told.write(self._progress)

    def end(self, video: int, result: dict[str, Any]) -> None:
        super().end(video, result)
        self._progress.videos_done += 1
        self._told.write(self._progress)

    def close(self) -> None:
        super().close()
        self._progress.ended = True
        self._told.write(self._progress, now=True)
