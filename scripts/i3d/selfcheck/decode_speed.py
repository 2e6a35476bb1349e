"""How fast this machine decodes and resizes the user's videos, by the very path that a run takes."""

import logging
import time
from itertools import cycle, islice
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from i3d.decoding.decoder import Settings, decode_videos
from i3d.decoding.resize import resize
from i3d.frame_stream import FRAME_BYTES, HEIGHT, WIDTH, StreamWriter
from i3d.selfcheck.calibration import DecodeSpeed
from i3d.selfcheck.samples import Sample

PROCESSES = (1, 3, 5)  # to try, as far as the machine has CPUs for them
WARM_UP_SECONDS = 0.5  # after the first frames, until all workers are at work
MOST_VIDEOS = 2000  # that one measurement opens, however short they are


def process_counts(cpus: int) -> list[int]:
    """Numbers of decoding processes to try."""
    return sorted({min(count, cpus) for count in PROCESSES})


class _TimeIsUpError(Exception):
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
                    raise _TimeIsUpError
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def frames_per_second(self) -> float | None:
        return self._frames / self._elapsed if self._elapsed else None


def measure(samples: list[Sample], processes: int, seconds: float, **settings: Any) -> DecodeSpeed | None:
    """Decode videos of one kind, over and over, for so many seconds; None if they give no frames.

    `settings` are further ones of `decoder.Settings`.
    """
    counter = _FrameCounter(seconds)
    videos = ((place, str(sample), sample.path) for place, sample in enumerate(islice(cycle(samples), MOST_VIDEOS)))
    logging.getLogger("decode").disabled = True  # thousands of lines
    try:
        decode_videos(videos, StreamWriter(cast(BinaryIO, counter)), Settings(threads=processes, **settings))
    except _TimeIsUpError:
        pass
    finally:
        logging.getLogger("decode").disabled = False
    if counter.frames_per_second is None:
        return None
    kind = samples[0]
    return DecodeSpeed(kind.width, kind.height, kind.codec, processes, counter.frames_per_second)


def check_resize(width: int, height: int, frames: int = 3) -> int:
    """How many of some frames of noise, width x height, the workflow resizes otherwise than Pillow; 0 is right."""
    generator = np.random.default_rng(width * height)
    differ = 0
    for _ in range(frames):
        frame = generator.integers(0, 256, (height, width, 3), np.uint8)
        expected = np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
        differ += not np.array_equal(resize(frame), expected)
    return differ
