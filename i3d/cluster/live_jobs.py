"""SLURM jobs that still write to a features tree, of any user and host.

Before it submits anything, a run marks the tree with the name of its jobs in SLURM. A later run waits for jobs of that
name, so that nothing is done twice.
"""

import getpass
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from i3d.cluster.slurm import ask
from i3d.errors import warn_once
from i3d.files import read_json_or_none, write_atomically
from i3d.quantities import named
from i3d.records.work_folder import WorkFolder

FRESH_SECONDS = 300.0  # within which a running job notes its progress several times


class Mark(msgspec.Struct, frozen=True):
    """A run that has or had jobs in SLURM."""

    name: str  # of its jobs
    user: str
    host: str
    folder: str  # where it was started
    since: str


@dataclass(frozen=True)
class Living:
    """A run with live jobs; `jobs` are their numbers, empty where SLURM hides them from this user."""

    mark: Mark
    jobs: tuple[str, ...]

    def __str__(self) -> str:
        whose = "your" if self.mark.user == getpass.getuser() else f"{self.mark.user}'s"
        what = f"jobs {named(self.jobs)}" if self.jobs else "jobs"
        return f"{what} of {whose} run in {self.mark.folder} since {self.mark.since}"


def put_mark(work: WorkFolder, name: str) -> None:
    """Mark the tree: jobs of this name will write to it."""
    mark = Mark(name, getpass.getuser(), socket.gethostname(), str(Path.cwd()), f"{datetime.now():%F %T}")
    write_atomically(work.jobs / f"{name}.json", msgspec.json.encode(mark))


def living(work: WorkFolder, *, tidy: bool = False) -> list[Living]:
    """Return the runs whose jobs still write to the tree. Raises UserError if SLURM does not answer now.

    `tidy` removes the marks of ended runs; only the holder of the tree's lock may set it.
    """
    marks = [mark for path in sorted(work.jobs.glob("*.json")) if (mark := _read(path)) is not None]
    if not marks:
        return []
    if shutil.which("squeue") is None:
        warn_once(f"jobs of {marks[0].host} may still write to {work.features}, and no squeue is here to ask")
        return []
    names = ",".join(mark.name for mark in marks)
    queue = ask("squeue", "--noheader", "--array", "--format=%i|%j", f"--name={names}", seconds=30, needed=True)
    numbers: dict[str, list[str]] = {}
    for line in queue.splitlines():
        number, _, name = line.strip().partition("|")
        numbers.setdefault(name, []).append(number)
    runs = []
    for mark in marks:
        if mark.name in numbers or (mark.user != getpass.getuser() and _is_fresh(work)):
            runs.append(Living(mark, tuple(numbers.get(mark.name, ()))))
        elif tidy:
            with suppress(OSError):
                (work.jobs / f"{mark.name}.json").unlink()
    return runs


def wait_for_jobs(work: WorkFolder, say: Callable[[str], None], pause: float) -> None:
    """Wait until no job of an earlier run writes to the tree any more, asking SLURM every `pause` seconds."""
    announced = False
    while runs := living(work, tidy=True):
        if not announced:
            numbers = " ".join(number for each in runs for number in each.jobs)
            advice = f" (`scancel {numbers}` ends them; Ctrl-C ends the waiting)" if numbers else ""
            what = f"{'; '.join(map(str, runs))} still write to {work.features}"
            say(f"{what}: waiting until they have ended, what they finish is kept{advice}")
            announced = True
        time.sleep(pause)


def _is_fresh(work: WorkFolder) -> bool:
    """Whether a job has recently noted its progress, the only sign of jobs that SLURM hides from other users."""
    try:
        times = [path.stat().st_mtime for path in work.progress.glob("*/*.json")]
    except OSError:
        return False
    return max(times, default=0.0) > time.time() - FRESH_SECONDS


def _read(path: Path) -> Mark | None:
    mark = read_json_or_none(path, Mark)
    return mark if mark and mark.name == path.stem and "," not in mark.name else None
