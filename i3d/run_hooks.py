"""The start and the end of a run: everything that happens outside of its jobs."""

import atexit
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from logging import Logger
from pathlib import Path
from typing import IO, Any

from i3d import process
from i3d.cluster import snakemake_internals
from i3d.cluster.cluster_run import ClusterRun
from i3d.command_line import LAST_CONFIG, remember
from i3d.config import beyond_defaults
from i3d.errors import errors_in_logs, exit_on_user_error
from i3d.files import remove_empty
from i3d.planning.permissions import check_writable
from i3d.planning.plan import Plan
from i3d.progress import run as progress
from i3d.progress.ending import Ending
from i3d.progress.logger import ENDING, PROGRESS
from i3d.records.tree_lock import take_lock
from i3d.records.work_folder import WorkFolder
from i3d.results.run_summary import runs_since
from i3d.settings import Settings

EXTRACTION_RULES = ("decode", "extract", "feature")


class RunHooks:
    """A run's `begin`, `end` and `end_failed`, for Snakemake's hooks.

    Parameters
    ----------
    workflow : Snakemake's workflow
    settings, work : of this run
    plan : makes the run's plan, or returns it if it is made
    scripts : the folder of the workflow's programs
    logs : the folder of the run's logs
    aggregate_options : what the aggregate rule gives its program beside the plan
    log : Snakemake's logger
    """

    def __init__(
        self,
        workflow: Any,
        settings: Settings,
        work: WorkFolder,
        plan: Callable[[], Plan],
        *,
        scripts: Path,
        logs: Path,
        aggregate_options: list[str],
        log: Logger,
    ) -> None:
        self._workflow, self._settings, self._work, self._plan = workflow, settings, work, plan
        self._scripts, self._logs, self._aggregate_options, self._log = scripts, logs, aggregate_options, log
        self._features = Path(settings.features)
        self._is_module = snakemake_internals.is_module(workflow)  # while its Snakefile is read
        self._started = time.time()
        self._runs_before = 0
        self._cluster_run: ClusterRun | None = None
        self._lock: IO[str] | None = None
        self.looked_at_trees = False  # unlike a run for weights alone

    def claim_tree(self) -> None:
        """Claim the features tree until this process ends. Raises UserError if another run has it."""
        self._lock = self._lock or take_lock(self._work.lock)

    @cached_property
    def makes_features(self) -> bool:
        """Unlike a run of exports or of the report alone, which may be of somebody else's features."""
        return snakemake_internals.runs_any_of(self._workflow, (*EXTRACTION_RULES, "aggregate"))

    def begin(self) -> None:
        """Before the first job: ask the cluster whether it takes the jobs, and claim the features tree.

        The plan is written again: another run may have ended, and tidied, after it was made.
        """
        process.collect_garbage()
        process.take_stop_signals()
        with exit_on_user_error():
            if self.makes_features or snakemake_internals.runs_any_of(self._workflow, ("orphaned",)):
                check_writable(self._work)
                self.claim_tree()
            self._cluster_run = ClusterRun(self._workflow, self._settings, self._work, self._log)
            self._cluster_run.check()
            self._runs_before = len(runs_since(self._features))
            if self.looked_at_trees:
                given = snakemake_internals.given_config(self._workflow)
                remember(beyond_defaults(self._settings) if self._is_module else given)
            if self.makes_features and self._plan().is_due:
                self._prepare()
            self._cluster_run.attend(writes=self.makes_features)

    def _prepare(self) -> None:
        plan = self._plan()
        plan.write()
        plan.set_strangers_aside()
        plan.stage_moved()
        progress.begin_run(self._work.progress, plan.bundles)
        self._log.info(
            f"`{self._watch}` shows this run in another terminal", extra={PROGRESS: str(self._work.progress)}
        )

    @property
    def _watch(self) -> str:
        """The command that shows this run, from where the user is."""
        program = self._scripts / "watch.py"
        if not (self._is_module or snakemake_internals.works_elsewhere(self._workflow)):
            return shlex.join(["python", os.path.relpath(program)])
        options = ["--configfile", str(LAST_CONFIG.absolute()), "--config", f"features={self._features.absolute()}"]
        return shlex.join(["python", str(program.absolute()), *options])

    def end(self) -> None:
        """After a run that succeeded: write the tables if it was asked for features alone, and say how it ended."""
        self._clear_up()
        if self.makes_features:
            if self._plan().due and not runs_since(self._features, self._runs_before):
                self._write_tables()
            asked = snakemake_internals.targets(self._workflow)
            whole = not process.was_stopped()
            self._say(Ending(self._features, self._started, self._runs_before, whole=whole, asked=asked))

    def end_failed(self) -> None:
        """After a run with failures: no rule runs any more, so write the tables here, and have the last word."""
        self._clear_up()
        lines = errors_in_logs(self._logs, self._started)
        if self.makes_features:
            self._write_tables()
            ending = Ending(self._features, self._started, self._runs_before, stopped=process.was_stopped())
            self._say(ending)
            lines += ending.errors
        atexit.register(print, *lines, sep="\n", file=sys.stderr)

    def _say(self, ending: Ending) -> None:
        self._log.info(ending.text, extra={ENDING: True})

    def _clear_up(self) -> None:
        """Leave no empty logs behind, nor a mark of jobs that have ended."""
        if self._cluster_run is not None:
            self._cluster_run.end()
        for stage in EXTRACTION_RULES:
            remove_empty(self._logs / stage)

    def _write_tables(self) -> None:
        """Do the aggregate rule's work."""
        command = [sys.executable, str(self._scripts / "aggregate.py"), "--plan", str(self._plan().path)]
        subprocess.run([*command, *self._aggregate_options], check=False, stdout=subprocess.DEVNULL)
