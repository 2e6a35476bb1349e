"""Snakemake's messages as a person wants to read them: `snakemake --logger i3d`, which profiles/default asks for.

A run is shown by its bundles (`i3d.progress`), and the thousands of jobs behind it are not told one by one; warnings
and errors are, each error once, with the end of the job's log. Snakemake's own file under `.snakemake/log` still has
everything. A dry run, and anything with `--verbose`, is told in Snakemake's words.

Snakemake finds it through the package `snakemake_logger_plugin_i3d`, and calls `emit` in a thread of its own.
"""

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from i3d.progress.run import RunProgress
from i3d.progress.screen import LineScreen, open_screen

# Attributes of messages that this workflow logs itself.
PROGRESS, ENDING = "i3d_progress", "i3d_ending"  # of a run, from rules/common.smk
DIED = "i3d_died"  # the job numbers of a SLURM job that died, from i3d.cluster
SHOWN_BY_BUNDLES = ("decode", "extract", "feature", "aggregate", "all")  # rules that are not told one by one
TELLS_ITSELF = "feature"  # the rule that writes a video's reason to the terminal, in a line
SHOWS_LOG = "tee "  # in the command of a job that writes its log to the terminal too
LOG_LINES = 10  # of a failed job's log
SILENT_EVENTS = {
    LogEvent.SHELLCMD,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.GROUP_INFO,
    LogEvent.GROUP_ERROR,  # its jobs' errors follow
    LogEvent.RESOURCES_INFO,
    LogEvent.RUN_INFO,
    LogEvent.PROGRESS,
}
SILENT_MESSAGES = (  # how Snakemake's and its executor's remarks begin that tell users nothing
    "host: ",
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Using shell: ",
    "Provided ",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Group jobs: inactive",
    "Select jobs to execute",
    "Removing temporary output",
    "Removing output files of failed job",
    "Error in group ",  # its jobs' errors follow
    "Touching output file",
    "Cannot restore ",  # a feature that failed and was not there before
    "Workflow has started",
    "Elapsed time",
    "Job rate limit reached",
    "SLURM run ID: ",
    "Falling back to 'sacct'",
    "'sacct' unavailable",
    "Status query timing",
    "MinJobAge ",
    "Could not remove SLURM log file",
    "You are running snakemake in a SLURM job context",
    "Trying to restart job",
    "Guessed SLURM account",
    "No SLURM account given, trying to guess",
    "Unable to guess SLURM account",
    "Cleaning up SLURM log files",
    "Exiting because a job execution failed",
    "Shutting down, this might take some time",
    "Complete log(s): ",
    "WorkflowError:\nAt least one job did not complete successfully",
    "RuleException:\nCalledProcessError in file",  # the job's error follows
    "Job failed, going on with independent jobs",
)
SUBMITTED = " has been submitted with SLURM jobid "
STOPPING = "Terminating processes on user request"


class LogHandler(LogHandlerBase):
    """Writes to the terminal in place of Snakemake's own handler."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self._stream = sys.stdout if settings.stdout else sys.stderr
        self._plain = ColorizingTextHandler(settings.nocolor, self._stream)
        self._in_full = settings.dryrun or settings.verbose or settings.debug_dag or settings.printshellcmds
        self._screen: LineScreen | None = None
        self._failed: set[int] = set()  # jobs whose errors were told
        self._stopping = False

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return False  # Snakemake gives its own, which follows --quiet

    @property
    def has_formatter(self) -> bool:
        return False  # Snakemake gives its own, for what is told in its words

    @property
    def needs_rulegraph(self) -> bool:
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it, show it, or pass over it."""
        try:
            if self._in_full:
                self._plain.setFormatter(self.formatter)
                self._plain.handle(record)
            else:
                self._tell(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Take the bars off the terminal."""
        self._show(None)
        super().close()

    def _tell(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        text = str(record.msg or "")
        if hasattr(record, PROGRESS):
            self._print(text)
            self._show(Path(getattr(record, PROGRESS)))
        elif hasattr(record, ENDING):
            self._show(None)
            self._print("\n" + text)
        elif hasattr(record, DIED):
            self._tell_death(record)
        elif event == LogEvent.JOB_INFO:
            self._tell_job(record)
        elif event == LogEvent.JOB_ERROR:
            self._tell_error(record)
        elif event in SILENT_EVENTS or text.startswith(SILENT_MESSAGES) or SUBMITTED in text:
            return
        elif text.startswith(STOPPING):
            self._stopping = True
            self._show(None)
            self._print("Stopped on your request; what is finished is kept.")
        elif text:
            self._print(text)

    def _tell_job(self, record: Any) -> None:
        """A job that begins, by its rule's message if it has one, unless bundles show it or it makes nothing."""
        if message := getattr(record, "rule_msg", None):
            self._print(message)
        elif not is_shown_by_bundles(record.rule_name) and record.output:
            more = f" and {len(record.output) - 1} more" if len(record.output) > 1 else ""
            self._print(f"{record.rule_name}: {record.output[0]}{more}")

    def _tell_error(self, record: Any) -> None:
        """A failed job, once: a job that fails for good is logged again at the end of the run."""
        if self._stopping or record.jobid in self._failed or record.rule_name.endswith(TELLS_ITSELF):
            return
        self._failed.add(record.jobid)
        self._print("\n".join(error_lines(record)))

    def _tell_death(self, record: Any) -> None:
        """A SLURM job that died, at each attempt; Snakemake's own errors of its rules say nothing more."""
        self._failed.update(getattr(record, DIED))
        if not self._stopping:
            self._print(str(record.msg))

    def _show(self, folder: Path | None) -> None:
        """Show the run whose progress lies in `folder`, or none."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None
        if folder is not None:
            self._screen = open_screen(RunProgress(folder), self._stream)
            self._screen.start()

    def _print(self, text: str) -> None:
        if self._screen is not None:
            self._screen.print(text)
        else:
            print(text, file=self._stream, flush=True)


def is_shown_by_bundles(rule: str) -> bool:
    """Whether a rule's jobs are told by the progress of bundles; a workflow that takes this one may prefix names."""
    return rule.endswith(SHOWN_BY_BUNDLES)


def error_lines(record: Any) -> list[str]:
    """What failed, the ends of its logs unless its command showed them by itself, and where they are."""
    lines = [f"error in {record.rule_name} ({', '.join(record.output)}):"]
    if SHOWS_LOG not in (record.shellcmd or ""):
        lines += [f"    {line}" for line in ends_of(record.log)]
    lines += [f"    {name}: {value}" for name, value in record.aux.items()]
    return lines + ([f"    all of it: {', '.join(record.log)}"] if record.log else [])


def ends_of(logs: Iterable[str]) -> list[str]:
    """The last lines of logs, as far as there are any."""
    lines = []
    for log in logs:
        try:
            with open(log, "rb") as file:  # noqa: PTH123 (a name as Snakemake shows it)
                file.seek(max(0, os.fstat(file.fileno()).st_size - 100 * LOG_LINES))
                text = file.read().decode(errors="replace")
        except OSError:
            continue
        lines += [line for line in text.splitlines() if line.strip()][-LOG_LINES:]
    return lines
