"""Decode and extract together, as a run has them, and how long a job takes to start."""

import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from i3d.errors import UserError
from i3d.frame_stream import StreamWriter
from i3d.network.engine import Engine
from i3d.network.extraction import Extraction
from i3d.paths import workflow_folder
from i3d.records.bundles import BundleEntry
from i3d.selfcheck.decode_speed import TimeIsUpError
from i3d.selfcheck.reference import reference_snippet
from i3d.selfcheck.samples import Sample
from i3d.settings import NumericSettings

SCRIPTS = workflow_folder("scripts")
MOST_VIDEOS = 500  # on decode's command line
ENOUGH = 0.9  # of the slowest stage's speed


class _SnippetCounter:
    """Counts the snippets that are done from the first on, until the time is up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: float | None = None
        self._snippets = 0
        self._elapsed = 0.0

    def __call__(self, count: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now if count else None
            return
        self._snippets += count
        self._elapsed = now - self._first
        if self._elapsed >= self._seconds:
            raise TimeIsUpError

    @property
    def per_second(self) -> float | None:
        return self._snippets / self._elapsed if self._snippets else None


def measure(
    engine: Engine,
    samples: list[Sample],
    settings: NumericSettings,
    options: list[str],
    seconds: float,
) -> float | None:
    """Decode samples over and over and extract their features for `seconds`.

    Returns the snippets per second; None if two batches did not come. `options` are those of `scripts/decode.py`, but
    for the videos, the snippets and the output.
    """
    videos = list(islice(cycle(samples), MOST_VIDEOS))
    counter = _SnippetCounter(seconds)
    with tempfile.TemporaryDirectory() as staging:
        entries = [
            BundleEntry(video=str(place), path=str(sample.path), feature=f"{place}.npy", digest="", frames=0)
            for place, sample in enumerate(videos)
        ]
        extraction = Extraction(engine, entries, Path(staging), settings, {}, snippets_done=counter)
        receiving, sending = os.pipe()
        paths = [str(sample.path) for sample in videos]
        command = [sys.executable, str(SCRIPTS / "decode.py"), f"--output=/dev/fd/{sending}", *options]
        command += [f"--clip-length={settings.clip_length}", f"--frequency={settings.frequency}"]
        decode = subprocess.Popen([*command, "--", *paths], pass_fds=[sending], stderr=subprocess.DEVNULL)
        os.close(sending)
        try:
            with open(receiving, "rb", buffering=0) as stream:  # noqa: PTH123 (a descriptor)
                for _ in extraction.run(stream):
                    pass
        except TimeIsUpError:
            pass
        finally:
            decode.terminate()
            decode.wait()
    return counter.per_second


def expected_rate(decode_rate: float, network_rate: float, on_gpu: bool) -> float:
    """What decode and extract should reach together, in the unit of both rates.

    Beside a GPU the slower sets the pace. On a CPU both take turns on the same cores.
    """
    return min(decode_rate, network_rate) if on_gpu else 1 / (1 / decode_rate + 1 / network_rate)


def start_seconds(options: list[str], settings: NumericSettings, snippets_per_second: float) -> float:
    """How long `scripts/extract.py` takes to start, by extracting one snippet.

    `options` are the program's, but for the frames and the feature; `settings` are what they stand for. Raises
    UserError with its last words if it fails.
    """
    count = settings.clip_length + 1
    clip = reference_snippet(count)[[settings.rule.is_used(frame) for frame in range(count)]]
    with tempfile.TemporaryDirectory() as folder:
        frames, feature = Path(folder, "clip.frames"), Path(folder, "clip.npy")
        ending = {"frames_decoded": count, "status": "ok", "reason": None, "damaged": None, "seconds": 0}
        with frames.open("wb") as file:
            writer = StreamWriter(file)
            writer.begin(0, {"decoding": settings.decoding})
            writer.frames(0, clip)
            writer.end(0, ending)
            writer.close()
        began = time.monotonic()
        command = [sys.executable, str(SCRIPTS / "extract.py"), "--frames", str(frames), "--feature", str(feature)]
        run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        elapsed = time.monotonic() - began
        if run.returncode or not feature.exists():
            raise UserError(f"extract.py failed: {(run.stderr.splitlines() or ['without a word'])[-1]}")
        return max(0.0, elapsed - 1 / snippets_per_second)
