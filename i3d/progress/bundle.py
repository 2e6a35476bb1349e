"""How far a bundle is, as decode and extract note it in small files of the work folder.

    progress/decode/{bundle}.json     frames decoded so far
    progress/extract/{bundle}.json    videos, snippets and frames done so far

Whoever shows a run reads these files: they are all it needs, on any machine that sees the features tree.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

import msgspec

from i3d.files import read_json

DECODE, EXTRACT = "decode", "extract"
LOCAL_SECONDS = 1.0  # between two writes of a file
BATCH_SECONDS = 10.0  # in a batch job, where a hundred of them share a file system


class BundleProgress(msgspec.Struct):
    """How far one stage of one bundle is. Times are seconds since the epoch, by the clock of `host`."""

    bundle: str
    stage: str  # decode or extract
    videos: int  # to be done; those that an earlier attempt finished do not count
    frames: int | None  # of these videos: an estimate that becomes exact as they are done; None: not known
    videos_done: int = 0
    frames_done: int = 0
    snippets: int = 0
    started: float | None = None  # when the first frame could be taken; None: still getting ready
    updated: float = 0.0
    ended: bool = False  # well; a stage that fails leaves this unset
    host: str = ""
    job: str = ""  # the batch system's number

    @property
    def rate(self) -> float:
        """Frames per second since the start; 0 while nothing is done."""
        seconds = self.updated - self.started if self.started is not None else 0.0
        return self.frames_done / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at this rate; None while that cannot be told."""
        if self.frames is None or not self.rate:
            return None
        return max(0, self.frames - self.frames_done) / self.rate


class ProgressFile:
    """Where a stage writes its progress: at most once a second, or every ten seconds in a batch job.

    Progress must never stop the work: what cannot be written is not written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._job = os.environ.get("SLURM_JOB_ID", "")
        self._every = BATCH_SECONDS if self._job else LOCAL_SECONDS
        self._written = 0.0
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, progress: BundleProgress, *, now: bool = False) -> None:
        """Write it down if it is time, or `now` in any case; readers see the old content or the new, never a part."""
        if not now and time.monotonic() - self._written < self._every:
            return
        self._written = time.monotonic()
        progress.updated = time.time()
        progress.host, progress.job = socket.gethostname(), self._job
        with contextlib.suppress(OSError):
            self._part.write_bytes(msgspec.json.encode(progress))
            self._part.replace(self._path)


def read_progress(path: Path) -> BundleProgress | None:
    """What a progress file says; None if it is missing or damaged, as a crash of the machine can leave it."""
    try:
        return read_json(path, BundleProgress)
    except (OSError, ValueError):
        return None
