"""A run whose jobs go to SLURM, from the first question to the last job."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from logging import Logger
from pathlib import Path
from typing import Any

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
    """Keep the account under a name that Snakemake's executor leaves alone where it runs in a job itself."""
    if account := os.environ.get("SLURM_ACCOUNT"):
        os.environ.setdefault(launch_check.ACCOUNT_VARIABLE, account)


class ClusterRun:
    """What is done for a run's jobs beside Snakemake: `check`, then `attend`, and `end` after the last one."""

    def __init__(self, workflow: Any, settings: Settings, work: WorkFolder, log: Logger) -> None:
        self._run = slurm_run(workflow)
        self._workflow, self._settings, self._work, self._log = workflow, settings, work, log
        self._watch: QueueWatch | None = None

    def check(self) -> None:
        """Ask SLURM whether it takes the jobs. Raises UserError, saying what to change."""
        if self._run is not None:
            launch_check.check(self._run, self._settings.longest_job, offers(self._settings.cluster))

    def attend(self, *, writes: bool) -> None:
        """Look after the jobs from now on; `writes` says whether they write to the features tree."""
        if self._run is None or not self._run.requests:
            return
        executor = self._run.executor
        shutil.rmtree(self._work.died, ignore_errors=True)
        if writes:
            live_jobs.put_mark(self._work, executor.run_uuid)
        pause = 1.5 * status_seconds(self._workflow)
        slurm_executor.attend(executor, died=self._note_death, say=self._log.warning, pause=pause)
        notes = self._work.progress / "queue.txt"
        self._watch = QueueWatch(executor.run_uuid, notes, self._log.warning, pause)
        self._watch.start()

    def end(self) -> None:
        """After the last job."""
        if self._watch is not None:
            self._watch.stop()
            with suppress(UserError):
                live_jobs.living(self._work, tidy=True)  # removes this run's mark, unless a cancelled job still ends

    def _note_death(self, job: Any, death: Death) -> None:
        """Tell people, leave word for the table, and keep the logs that a second attempt would write over."""
        again = job.attempt <= job.restart_times
        if bundle := bundle_of(job):
            write_atomically(self._work.died_of(bundle), death.reason + "\n")
        if again:
            death = replace(death, logs=tuple(_kept(Path(log), job.attempt) for log in death.logs))
        text = death_text(_name_of(job, bundle, self._work), death, job.attempt, job.restart_times + 1)
        self._log.error(text, extra={DIED: [member.jobid for member in members(job)]})


def _kept(log: Path, attempt: int) -> str:
    """Copy a log to a name of its own, which is returned."""
    return str(shutil.copyfile(log, log.with_suffix(f".attempt{attempt}{log.suffix}")))


def _name_of(job: Any, bundle: str, work: WorkFolder) -> str:
    if not bundle:
        return str(members(job)[0].rule.name)
    try:
        videos = [entry.video for entry in read_bundle(work.bundle(bundle)).videos]
    except UserError:
        return f"bundle {bundle}"
    return f"bundle {bundle} ({videos[0]}" + (f" and {count(len(videos) - 1, 'more video')})" if videos[1:] else ")")


def death_text(name: str, death: Death, attempt: int, attempts: int) -> str:
    """What people are told: what died and why, the ends of its logs, and where these are."""
    then = f"attempt {attempt} of {attempts}, tried again" if attempt < attempts else f"attempt {attempt} of {attempts}"
    lines = [f"{name}: {death.sentence}; {then if attempts > 1 else 'not tried again'}"]
    lines += [f"    {line}" for line in ends_of(death.logs)]
    where = [*death.logs, *([death.slurm_log] if death.slurm_log else [])]
    return "\n".join(lines + ([f"    all of it: {', '.join(where)}"] if where else []))


def wait_for_jobs(workflow: Any, work: WorkFolder, say: Callable[[str], None]) -> None:
    """Before a plan is made: wait for jobs of an earlier run on the tree; a dry run only says so.

    Raises UserError where the wait would be in vain, because Snakemake refuses a locked folder after it.
    """
    if not workflow.dryrun:
        if is_locked(workflow) and (found := live_jobs.living(work)):
            raise UserError(
                "this folder is locked by a Snakemake that was killed, or still runs: `snakemake --unlock` unlocks it, "
                f"then a run waits for {'; '.join(map(str, found))}"
            )
        live_jobs.wait_for_jobs(work, say, status_seconds(workflow))
        return
    try:
        found = live_jobs.living(work)
    except UserError as error:
        say(f"warning: {error}")
        return
    for each in found:
        say(f"warning: {each} still write to {work.features}; a run would wait for them")
