"""How fast this machine decodes and resizes the user's videos, by the very path that a run takes."""

import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle, islice
from typing import BinaryIO, cast

import numpy as np

from i3d import process
from i3d.cost.calibration import DecodeSpeed
from i3d.decoding.decoder import decode_videos
from i3d.decoding.resize import pillow, resize
from i3d.frame_stream import FRAME_BYTES, FRAME_SHAPE, StreamWriter
from i3d.selfcheck.samples import Sample
from i3d.settings import JobSettings, NumericSettings

PROCESSES = (1, 3, 5)  # to try, as far as the machine has CPUs for them, beside as many as a run would have
WARM_UP_SECONDS = 0.5  # after the first frames, until all workers are at work
MOST_VIDEOS = 2000  # that one measurement opens, however short they are


def process_counts(cpus: int) -> list[int]:
    """Numbers of decoding processes to try."""
    return sorted({min(count, cpus) for count in (*PROCESSES, cpus - 1) if count})


class TimeIsUpError(Exception):
    """Enough has been decoded."""


class _FrameCounter:
    """The file that a frame stream goes to: counts its frames, from WARM_UP_SECONDS after the first, for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: float | None = None
        self._from = 0.0
        self._frames = 0
        self._elapsed = 0.0

    def write(self, data: memoryview) -> int:
        frames = len(data) // FRAME_BYTES
        if frames:
            now = time.monotonic()
            if self._first is None:
                self._first = self._from = now
            elif now - self._first < WARM_UP_SECONDS:
                self._from = now
            else:
                self._frames += frames
                self._elapsed = now - self._from
                if self._elapsed >= self._seconds:
                    raise TimeIsUpError
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def frames_per_second(self) -> float | None:
        return self._frames / self._elapsed if self._elapsed else None


def measure(
    samples: list[Sample], processes: int, seconds: float, settings: NumericSettings, job: JobSettings
) -> DecodeSpeed | None:
    """Decode videos of one kind, over and over, for some seconds; None if they give no frames."""
    counter = _FrameCounter(seconds)
    _decode_quietly(islice(cycle(samples), MOST_VIDEOS), counter, settings, job, processes)
    if counter.frames_per_second is None:
        return None
    kind = samples[0]
    return DecodeSpeed(kind.width, kind.height, kind.codec, processes, counter.frames_per_second)


def _decode_quietly(
    samples: Iterable[Sample], file: object, settings: NumericSettings, job: JobSettings, threads: int = 1
) -> None:
    """Decode into a file until it has had enough, without the line per video that a run logs."""
    videos = ((place, str(sample), sample.path) for place, sample in enumerate(samples))
    with process.silenced("decode"), suppress(TimeIsUpError):
        decode_videos(videos, StreamWriter(cast(BinaryIO, file)), settings, job, threads=threads)


class _FrameCollector:
    """The file that a frame stream goes to: keeps its frames until there are enough."""

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self.blocks: list[np.ndarray] = []

    def write(self, data: memoryview) -> int:
        if len(data) >= FRAME_BYTES:
            self.blocks.append(np.frombuffer(bytes(data), np.uint8).reshape(-1, *FRAME_SHAPE))
            if sum(map(len, self.blocks)) >= self._enough:
                raise TimeIsUpError
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def first_frames(sample: Sample, count: int, settings: NumericSettings, job: JobSettings) -> np.ndarray:
    """The first frames of a video as the network gets them, uint8 (n, 256, 340, 3); fewer than `count` if it ends."""
    collector = _FrameCollector(count)
    _decode_quietly([sample], collector, settings, job)
    return np.concatenate([np.empty((0, *FRAME_SHAPE), np.uint8), *collector.blocks])[:count]


def check_resize(width: int, height: int, frames: int = 3) -> int:
    """How many of some frames of noise, width x height, the workflow resizes otherwise than Pillow; 0 is right."""
    generator = np.random.default_rng(width * height)
    expected = np.empty(FRAME_SHAPE, np.uint8)
    differ = 0
    for _ in range(frames):
        frame = generator.integers(0, 256, (height, width, 3), np.uint8)
        pillow(frame, expected)
        differ += not np.array_equal(resize(frame), expected)
    return differ
