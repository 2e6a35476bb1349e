"""How far a bundle is, noted by decode and extract in small files of the work folder.

    progress/decode/{bundle}.json     frames decoded so far
    progress/extract/{bundle}.json    videos, snippets and frames done so far

These files are all that is needed to show a run, on any machine that sees the features tree.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

import msgspec

from i3d.files import read_json_or_none

DECODE, EXTRACT = "decode", "extract"
LOCAL_SECONDS = 1.0  # between two writes of a file
BATCH_SECONDS = 10.0  # likewise in a batch job, where a hundred of them may share a file system


class BundleProgress(msgspec.Struct):
    """How far one stage of one bundle is. Times are seconds since the epoch, by the clock of `host`."""

    bundle: str
    stage: str  # decode or extract
    videos: int  # to be done; an earlier attempt may have finished others
    frames: int | None  # of these videos: an estimate that becomes exact as they are done; None if unknown
    videos_done: int = 0
    frames_done: int = 0
    snippets: int = 0
    started: float | None = None  # when it was ready for the first frame; None: still getting ready
    updated: float = 0.0
    ended: bool = False  # with success; a stage that fails leaves this unset
    host: str = ""
    job: str = ""  # its number in the batch system

    @property
    def rate(self) -> float:
        """Frames per second since the start; 0 while nothing is done."""
        seconds = self.updated - self.started if self.started is not None else 0.0
        return self.frames_done / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds for the rest at this rate; None if unknown."""
        if self.frames is None or not self.rate:
            return None
        return max(0, self.frames - self.frames_done) / self.rate


class ProgressFile:
    """A stage's progress file. Errors while writing are ignored: progress must never stop the work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._job = os.environ.get("SLURM_JOB_ID", "")
        self._every = BATCH_SECONDS if self._job else LOCAL_SECONDS
        self._written = 0.0
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, progress: BundleProgress, *, now: bool = False) -> None:
        """Write the progress, atomically, if `now` is set or the last time was long enough ago."""
        if not now and time.monotonic() - self._written < self._every:
            return
        self._written = time.monotonic()
        progress.updated = time.time()
        progress.host, progress.job = socket.gethostname(), self._job
        with contextlib.suppress(OSError):
            self._part.write_bytes(msgspec.json.encode(progress))
            self._part.replace(self._path)


def read_progress(path: Path) -> BundleProgress | None:
    """Read a progress file; None if it is missing, or damaged as by a crash of the machine."""
    return read_json_or_none(path, BundleProgress)
