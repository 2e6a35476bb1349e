"""A run whose jobs go to SLURM, from the launch check to the last job."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from logging import Logger
from pathlib import Path
from typing import Any

from i3d import commands
from i3d.cluster import launch_check, live_jobs, slurm_executor
from i3d.cluster.deaths import Death
from i3d.cluster.queue_watch import QueueWatch
from i3d.cluster.snakemake_internals import bundle_of, is_locked, members, slurm_run, status_seconds
from i3d.cost.devices import offers
from i3d.errors import UserError
from i3d.files import write_atomically
from i3d.progress.logger import DIED, ends_of
from i3d.quantities import count
from i3d.records.bundles import read_bundle
from i3d.records.work_folder import WorkFolder
from i3d.settings import Settings


def keep_account() -> None:
    """Keep the account under a name that Snakemake's executor does not delete where it runs in a job itself."""
    if account := os.environ.get("SLURM_ACCOUNT"):
        os.environ.setdefault(launch_check.ACCOUNT_VARIABLE, account)


class ClusterRun:
    """Looks after a run's jobs beside Snakemake: call `check`, then `attend`, and `end` after the last job."""

    def __init__(self, workflow: Any, settings: Settings, work: WorkFolder, log: Logger) -> None:
        self._run = slurm_run(workflow)
        self._workflow, self._settings, self._work, self._log = workflow, settings, work, log
        self._watch: QueueWatch | None = None

    def check(self) -> None:
        """Ask SLURM whether it accepts the jobs. Raises UserError, saying what to change."""
        if self._run is not None:
            launch_check.check(self._run, self._settings.longest_job, offers(self._settings.cluster))

    def attend(self, *, writes: bool) -> None:
        """Start looking after the jobs; `writes`: they write to the features tree, where their state is noted."""
        if self._run is None or not self._run.requests:
            return
        executor = self._run.executor
        if writes:
            shutil.rmtree(self._work.died, ignore_errors=True)
            live_jobs.put_mark(self._work, executor.run_uuid)
        pause = 1.5 * status_seconds(self._workflow)
        slurm_executor.attend(executor, died=self._note_death, say=self._log.warning, pause=pause)
        notes = self._work.progress / "queue.txt" if writes else None
        self._watch = QueueWatch(executor.run_uuid, notes, self._log.warning, pause)
        self._watch.start()

    def end(self) -> None:
        """Stop watching, after the last job."""
        if self._watch is not None:
            self._watch.stop()
            with suppress(UserError):
                live_jobs.living(self._work, tidy=True)  # removes this run's mark, unless a cancelled job still ends

    def _note_death(self, job: Any, death: Death) -> None:
        """Log a death, note it for the table, and keep logs that the next attempt would overwrite.

        What cannot be written is a warning: this is the executor's thread, whose end would be the run's.
        """
        if bundle := bundle_of(job):
            try:
                write_atomically(self._work.died_of(bundle), death.reason + "\n")
            except UserError as error:
                self._log.warning(f"warning: why bundle {bundle} died is not in the table: {error}")
        if job.attempt <= job.restart_times:
            death = replace(death, logs=tuple(self._kept(Path(log), job.attempt) for log in death.logs))
        text = _death_text(_name_of(job, bundle, self._work), death, job.attempt, job.restart_times + 1)
        self._log.error(text, extra={DIED: [member.jobid for member in members(job)]})

    def _kept(self, log: Path, attempt: int) -> str:
        """Copy a log of an attempt; returns the copy, or the log itself if it cannot be copied."""
        copy = log.with_suffix(f".attempt{attempt}{log.suffix}")
        try:
            return str(shutil.copyfile(log, copy))
        except OSError as error:
            self._log.warning(f"warning: {log} is not kept from the next attempt: {copy}: {error.strerror}")
            with suppress(OSError):
                copy.unlink()
            return str(log)


def _name_of(job: Any, bundle: str, work: WorkFolder) -> str:
    if not bundle:
        return str(members(job)[0].rule.name)
    try:
        videos = [entry.video for entry in read_bundle(work.bundle(bundle)).videos]
    except UserError:
        return f"bundle {bundle}"
    more = f" and {count(len(videos) - 1, 'more video')}" if videos[1:] else ""
    return f"bundle {bundle} ({videos[0]}{more})"


def _death_text(name: str, death: Death, attempt: int, attempts: int) -> str:
    """Return what died and why, the ends of its logs, and where these are."""
    then = f"attempt {attempt} of {attempts}" + (", tried again" if attempt < attempts else "")
    lines = [f"{name}: {death.sentence}; {then if attempts > 1 else 'not tried again'}"]
    lines += [f"    {line}" for line in ends_of(death.logs)]
    where = ", ".join(filter(None, (*death.logs, death.slurm_log)))
    return "\n".join(lines + ([f"    all of it: {where}"] if where else []))


def wait_for_jobs(workflow: Any, work: WorkFolder, say: Callable[[str], None]) -> None:
    """Wait, before planning, for jobs of an earlier run on the tree; a dry run only reports them.

    Raises UserError if Snakemake would refuse a locked folder after the wait.
    """
    if workflow.dryrun:
        try:
            for runs in live_jobs.living(work):
                say(f"warning: {runs} still write to {work.features}; a run would wait for them")
        except UserError as error:
            say(f"warning: {error}")
        return
    if is_locked(workflow) and (living := live_jobs.living(work)):
        raise UserError(
            "this folder is locked by a Snakemake that was killed, or still runs: "
            f"{commands.snakemake('--unlock')} unlocks it, then a run waits for {'; '.join(map(str, living))}"
        )
    live_jobs.wait_for_jobs(work, say, status_seconds(workflow))
