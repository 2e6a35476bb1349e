"""How far a whole run is, read from the small files in the work folder's `progress/`.

The main process writes `run.json` as the run begins; the stages of each bundle add theirs (`i3d.progress.bundle`), and
the end of the run removes them all. The run's own screen and `scripts/watch.py` in another terminal read only these
files, so that neither a login node nor a batch system is queried.
"""

import os
import shutil
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import msgspec

from i3d.errors import UserError
from i3d.files import read_end, read_json_or_none, write_atomically
from i3d.progress.bundle import DECODE, EXTRACT, BundleProgress, read_progress
from i3d.quantities import count, duration
from i3d.records.bundles import Bundle

FILES_PER_SECOND = 20  # read at most, on average: the files may lie on a cluster's file system
SILENT_SECONDS = 120.0  # without news, after which a bundle is shown as silent


class Size(msgspec.Struct, frozen=True):
    """The videos of a bundle, and their expected number of frames."""

    videos: int
    frames: int


class RunOutline(msgspec.Struct):
    """The work of a run, and the process that does it. `started` is in seconds since the epoch."""

    started: float
    host: str
    process: int
    bundles: dict[str, Size]


def begin_run(folder: Path, bundles: Iterable[Bundle]) -> None:
    """Note in `folder`, emptied first, that this process begins a run of these bundles; without it nothing is shown."""
    sizes = {bundle.name: Size(len(bundle.videos), bundle.frames) for bundle in bundles}
    outline = RunOutline(time.time(), socket.gethostname(), os.getpid(), sizes)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(UserError):
        write_atomically(folder / "run.json", msgspec.json.encode(outline))


@dataclass(frozen=True)
class RunState:
    """How far a run is at one moment."""

    seconds: float  # since it began
    bundles: int
    bundles_done: int
    videos: int
    videos_done: int
    frames: int  # expected
    frames_done: int  # with features computed
    snippets: int
    rate: float  # frames per second of all bundles together; 0: not known yet
    running: list[BundleProgress] = field(default_factory=list)
    waiting_for: str = ""  # in a batch system, in words

    @property
    def waiting(self) -> int:
        """Bundles that have not begun."""
        return self.bundles - self.bundles_done - len(self.running)

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds for the rest at this rate; None if unknown."""
        return max(0, self.frames - self.frames_done) / self.rate if self.rate else None

    @property
    def waiting_text(self) -> str:
        """How many bundles wait, and for what, if known."""
        return f"{self.waiting:,} waiting" + (f" ({self.waiting_for})" if self.waiting_for else "")

    def line(self) -> str:
        """Return how far the run is, in one line of words."""
        parts = [f"{self.videos_done:,} of {count(self.videos, 'video')}"]
        if self.snippets:
            parts += [count(self.snippets, "snippet"), f"{self.rate:,.0f} frames/s"]
        if self.seconds_left is not None and self.videos_done < self.videos:
            parts.append(f"{duration(self.seconds_left)} left")
        text = ", ".join(parts)
        if self.bundles_done == self.bundles:
            return text
        decoding = sum(progress.stage == DECODE for progress in self.running)
        extracting = len(self.running) - decoding
        stages = [f"{self.bundles_done:,} of {self.bundles:,} done"]
        stages += [f"{extracting} extracting"] if extracting else []
        stages += [f"{decoding} decoding"] if decoding else []
        stages += [self.waiting_text] if self.waiting else []
        return f"{text}; bundles: {', '.join(stages)}"


class RunProgress:
    """Reads the progress of the run whose files lie in `folder`. Use it from one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outline: RunOutline | None = None
        self._ended: dict[str, BundleProgress] = {}
        self._rate = 0.0
        self._next_read = 0.0
        self._state: RunState | None = None

    @property
    def outline(self) -> RunOutline | None:
        """The work of the run; None if no run has begun here."""
        if self._outline is None:
            self._outline = read_json_or_none(self._folder / "run.json", RunOutline)
        return self._outline

    @property
    def over(self) -> bool:
        """Whether the run has ended: its files are gone or another run's, or its process on this host is gone."""
        outline = self.outline
        if outline is None or RunProgress(self._folder).outline != outline:
            return True
        return outline.host == socket.gethostname() and not Path("/proc", str(outline.process)).exists()

    def read(self) -> RunState | None:
        """Return how far the run is; None if none has begun. With many bundles, the last state may be returned."""
        outline = self.outline
        if outline is None:
            return None
        if self._state is None or time.monotonic() >= self._next_read:
            running = [*self._running(outline)]
            self._next_read = time.monotonic() + len(running) / FILES_PER_SECOND
            self._state = self._sum(outline, running)
        return self._state

    def _running(self, outline: RunOutline) -> Iterable[BundleProgress]:
        """Yield the progress of each bundle at work: of extract, once it has begun, else of decode."""
        seen = set()
        for stage in (EXTRACT, DECODE):
            for name in self._names(stage):
                if name in self._ended or name in seen or name not in outline.bundles:
                    continue
                progress = read_progress(self._folder / stage / f"{name}.json")
                if progress is None:
                    continue
                seen.add(name)
                if progress.frames is None:
                    progress.frames = outline.bundles[name].frames
                if progress.ended and stage == EXTRACT:
                    self._ended[name] = progress
                else:
                    yield progress

    def _names(self, stage: str) -> list[str]:
        try:
            return sorted(path.stem for path in (self._folder / stage).iterdir() if path.suffix == ".json")
        except OSError:
            return []

    def _sum(self, outline: RunOutline, running: list[BundleProgress]) -> RunState:
        extracting = [progress for progress in running if progress.stage == EXTRACT]
        begun = [*self._ended.values(), *extracting]
        sizes = outline.bundles
        frames = sum(size.frames for size in sizes.values())
        frames_done = videos_done = 0
        for progress in begun:
            size = sizes[progress.bundle]
            earlier = size.videos - progress.videos  # done by an earlier attempt
            videos_done += earlier + progress.videos_done
            frames_done += progress.frames_done
            if progress.frames is not None:
                frames += progress.frames - size.frames
        rate = sum(progress.rate for progress in extracting)
        self._rate = rate or self._rate or fmean([progress.rate for progress in self._ended.values()] or [0.0])
        return RunState(
            seconds=time.time() - outline.started,
            bundles=len(sizes),
            bundles_done=len(self._ended),
            videos=sum(size.videos for size in sizes.values()),
            videos_done=videos_done,
            frames=frames,
            frames_done=frames_done,
            snippets=sum(progress.snippets for progress in begun),
            rate=self._rate,
            running=running,
            waiting_for=self._waiting_for(),
        )

    def _waiting_for(self) -> str:
        """Return the note of `i3d.cluster.queue_watch`."""
        return read_end(self._folder / "queue.txt").strip()


def silence(progress: BundleProgress) -> float:
    """Return the seconds since a bundle's last sign of progress; 0 while that is nothing unusual."""
    seconds = time.time() - progress.updated
    return seconds if seconds > SILENT_SECONDS else 0.0
