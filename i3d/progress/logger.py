"""A readable log of Snakemake's messages: `snakemake --logger i3d`, set in profiles/default.

A run is shown by its bundles (`i3d.progress`) instead of thousands of jobs. Warnings are printed, and each error once,
with the end of the job's log. Snakemake's own file under `.snakemake/log` still has everything. Dry runs and
`--verbose` keep Snakemake's output.

Snakemake finds it through the package `snakemake_logger_plugin_i3d`, and calls `emit` in a thread of its own.
"""

import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from i3d import commands
from i3d.errors import PREFIX
from i3d.files import read_end
from i3d.progress.run import RunProgress
from i3d.progress.screen import LineScreen, open_screen

# Attributes of this workflow's own messages.
PROGRESS, ENDING = "i3d_progress", "i3d_ending"  # of a run, from i3d/run_hooks.py
DIED = "i3d_died"  # the job numbers of a SLURM job that died, from i3d.cluster
SHOWN_BY_BUNDLES = ("decode", "extract", "feature", "aggregate", "all")  # rules whose jobs are not printed
REPORTS_ERRORS = "feature"  # the rule that prints its errors itself, in a line each
SHOWS_LOG = "tee "  # in the command of a job that also writes its log to the terminal
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
SILENT_MESSAGES = (  # beginnings of messages by Snakemake and its executor that are of no use to users
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
UNKNOWN_TARGET = re.compile(r"MissingRuleException:\s+No rule to produce (.*) \(if you use input functions")
STOPPING = "Terminating processes on user request"


class LogHandler(LogHandlerBase):
    """Writes to the terminal in place of Snakemake's own handler."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False  # Snakemake adds its own, for --quiet
    has_formatter = False  # Snakemake adds its own, for its own output
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self._stream = sys.stdout if settings.stdout else sys.stderr
        self._plain = ColorizingTextHandler(settings.nocolor, self._stream)
        self._in_full = settings.dryrun or settings.verbose or settings.debug_dag or settings.printshellcmds
        self._screen: LineScreen | None = None
        self._failed: set[int] = set()  # jobs whose errors were printed
        self._stopping = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, update the screen, or ignore it."""
        try:
            if unknown := UNKNOWN_TARGET.match(str(record.msg or "")):
                self._print(
                    f"{PREFIX}there is no target {unknown[1]}; {commands.snakemake('--list')} names the targets, and "
                    "features are asked for by their paths under 'features'"
                )
            elif self._in_full:
                self._plain.setFormatter(self.formatter)
                self._plain.handle(record)
            else:
                self._handle_event(record)
        except Exception:  # as every handler of logging does: a message must not end a run
            self.handleError(record)

    def close(self) -> None:
        """Take the bars off the terminal."""
        self._show(None)
        super().close()

    def _handle_event(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        text = str(record.msg or "")
        if hasattr(record, PROGRESS):
            self._print(text)
            self._show(Path(getattr(record, PROGRESS)))
        elif hasattr(record, ENDING):
            self._show(None)
            self._print("\n" + text)
        elif hasattr(record, DIED):
            self._print_death(record)
        elif event == LogEvent.JOB_INFO:
            self._print_job(record)
        elif event == LogEvent.JOB_ERROR:
            self._print_error(record)
        elif event in SILENT_EVENTS or text.startswith(SILENT_MESSAGES) or SUBMITTED in text:
            return
        elif text.startswith(STOPPING):
            self._stopping = True
            self._show(None)
            self._print("Stopping on your request, once running jobs have ended; what is finished is kept.")
        elif text:
            self._print(text)

    def _print_job(self, record: Any) -> None:
        """Print a starting job, with its rule's message if any, unless bundles show it or it has no output."""
        if message := getattr(record, "rule_msg", None):
            self._print(message)
        elif not record.rule_name.endswith(SHOWN_BY_BUNDLES) and record.output:  # a module may prefix names
            more = f" and {len(record.output) - 1} more" if len(record.output) > 1 else ""
            self._print(f"{record.rule_name}: {record.output[0]}{more}")

    def _print_error(self, record: Any) -> None:
        """Print a failed job, once: Snakemake logs it again at the end of the run."""
        if self._stopping or record.jobid in self._failed or record.rule_name.endswith(REPORTS_ERRORS):
            return
        self._failed.add(record.jobid)
        self._print("\n".join(_error_lines(record)))

    def _print_death(self, record: Any) -> None:
        """Print a SLURM job that died, at each attempt, and suppress Snakemake's own errors for its rules."""
        self._failed.update(getattr(record, DIED))
        if not self._stopping:
            self._print(str(record.msg))

    def _show(self, folder: Path | None) -> None:
        """Show the run whose progress lies in `folder`; None: no run."""
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


def _error_lines(record: Any) -> list[str]:
    """Return what failed, the ends of its logs unless its command showed them, and where the logs are."""
    lines = [f"error in {record.rule_name} ({', '.join(record.output)}):"]
    if SHOWS_LOG not in (record.shellcmd or ""):
        lines += [f"    {line}" for line in ends_of(record.log)]
    lines += [f"    {name}: {value}" for name, value in record.aux.items()]
    return lines + ([f"    all of it: {', '.join(record.log)}"] if record.log else [])


def ends_of(logs: Iterable[str]) -> list[str]:
    """Return the last lines of each of these logs."""
    lines = []
    for log in logs:
        lines += [line for line in read_end(log, 100 * LOG_LINES).splitlines() if line.strip()][-LOG_LINES:]
    return lines
