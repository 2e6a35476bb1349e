"""What this workflow adds to Snakemake's executor for SLURM during a run.

The executor's own code still composes each call of `sbatch`. Added are: the call for the launch check, GPU requests in
any spelling, names of bundles for jobs, another try after a temporary refusal, and the reason of a job's death.
`tests/slurm` runs it with the pinned executor and the newest one.
"""

import re
import shlex
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from i3d.cluster.deaths import Death, refusal, why_it_died
from i3d.cluster.slurm import is_passing
from i3d.cluster.snakemake_internals import bundle_of, members, request_of
from i3d.errors import UserError


class _Composed(BaseException):
    """Ends the executor's work once it has composed its call; a BaseException, to pass any `except Exception`."""

    def __init__(self, call: str) -> None:
        self.call = call


@dataclass(frozen=True)
class Submission:
    """The options of the executor's `sbatch` call for a job, except the ones that differ between jobs."""

    words: tuple[str, ...]

    def value(self, *names: str) -> str:
        """Return the value of an option, by any of its names such as `-A` and `--account`; empty if it is absent."""
        for word, following in pairwise((*self.words, "")):
            name, equals, value = word.partition("=")
            if name in names:
                return value if equals else following
        return ""


def submission(executor: Any, job: Any) -> Submission:
    """Let the executor compose its call of `sbatch` for a job, and stop it there. Raises UserError if it fails."""
    module = _module(executor)

    def stop(call: str, **_: Any) -> None:
        raise _Composed(call)

    def say(_: Any, msg: str = "", **__: Any) -> None:
        raise UserError(f"Snakemake cannot submit these jobs: {msg}")

    process = SimpleNamespace(**{**vars(module.subprocess), "Popen": stop})
    with _replaced(module, subprocess=process, set_gres_string=_gpu_options), _replaced(executor, report_job_error=say):
        try:
            type(executor).run_job(executor, job)
        except _Composed as composed:
            return _parse(composed.call)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"Snakemake cannot submit these jobs: {error.__context__ or error}") from None
    raise UserError(
        "Snakemake's executor for SLURM does not call sbatch as this workflow knows it: use the versions of "
        "envs/requirements.txt"
    )


def _module(executor: Any) -> Any:
    """Return the module of the executor's code, where it looks up names at run time."""
    return sys.modules[type(executor).__module__]


@contextmanager
def _replaced(owner: Any, **values: Any) -> Iterator[None]:
    """Replace attributes within the block."""
    before = {name: vars(owner)[name] for name in values if name in vars(owner)}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name in values:
            delattr(owner, name)
        for name, value in before.items():
            setattr(owner, name, value)


def _parse(call: str) -> Submission:
    options = re.split(r" --wrap=| /dev/stdin$", call)[0]
    words = iter(shlex.split(options)[1:])
    kept: list[str] = []
    for word in words:
        if word in ("--output", "--comment"):
            next(words, None)
        else:
            kept.append(word)
    return Submission(tuple(kept))


def attend(executor: Any, *, died: Callable[[Any, Death], None], say: Callable[[str], None], pause: float) -> None:
    """Start looking after the executor's jobs.

    `died` is called with a Snakemake job and why its SLURM job died, before Snakemake handles that; `say` with messages
    for the user; a job that SLURM has no room for is submitted again after `pause` seconds.
    """
    _module(executor).set_gres_string = _gpu_options
    waiting = _WaitingRoom(executor, say, pause)
    run_job, report_job_error = executor.run_job, executor.report_job_error

    def run(job: Any) -> None:
        if job.is_group() and (bundle := bundle_of(job)):
            job.wildcards = [bundle]  # so that the executor names the job's log and comment after it
        run_job(job)

    def report(job_info: Any, msg: str = "", **more: Any) -> None:
        refused = refusal(msg or "")
        if refused is not None and is_passing(refused):
            waiting.enter(job_info.job, refused)
            return
        logs = {member.rule.name: Path(log) for member in members(job_info.job) for log in member.log}
        slurm_log = (job_info.aux or {}).get("slurm_logfile")
        died(job_info.job, why_it_died(msg or "", job_info.external_jobid or "", slurm_log, logs))
        report_job_error(job_info, msg=msg, **more)

    executor.run_job, executor.report_job_error = run, report


def _gpu_options(job: Any) -> str:
    """Replace the executor's `set_gres_string`: GPU requests in any spelling, one for a job of several rules."""
    request = request_of(job)
    if request is not None:
        return f" {request.options}"
    return f" --gres={gres}" if (gres := job.resources.get("gres")) else ""


class _WaitingRoom:
    """Jobs that SLURM has no room for. One is submitted again now and then; once accepted, the next follows at once."""

    def __init__(self, executor: Any, say: Callable[[str], None], pause: float) -> None:
        self._executor, self._say, self._pause = executor, say, pause
        self._jobs: deque[Any] = deque()
        self._lock = threading.Lock()
        self._reasons: set[str] = set()
        self._timer: threading.Timer | None = None

    def enter(self, job: Any, reason: str) -> None:
        """Keep a job that was refused for this reason, to submit it again."""
        with self._lock:
            self._jobs.append(job)
            if reason not in self._reasons:
                self._reasons.add(reason)
                self._say(f"SLURM accepts no more jobs now ({reason}); they are submitted again from time to time")
            if self._timer is None:
                self._timer = threading.Timer(self._pause, self._offer)
                self._timer.daemon = True
                self._timer.start()

    def _offer(self) -> None:
        """Submit the jobs until one is refused again, which then re-enters."""
        with self._lock:
            self._timer = None
        while self._executor.wait:
            with self._lock:
                if self._timer is not None or not self._jobs:
                    return
                job = self._jobs.popleft()
            self._executor.run_job(job)
