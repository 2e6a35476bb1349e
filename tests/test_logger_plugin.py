"""What of Snakemake's messages reaches the terminal."""

import io
import logging
import subprocess
import sys

import pytest
from snakemake.logging import LoggerManager
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from i3d.progress import logger as plugin
from i3d.progress.run import begin_run
from i3d.progress.screen import LineScreen


def handler(**settings) -> plugin.LogHandler:
    """The handler as Snakemake makes it, writing to a string."""
    ours = LoggerPluginRegistry().get_plugin("i3d").get_settings(None)
    manager = LoggerManager(
        logging.Logger("snakemake"), OutputSettings(nocolor=True, log_handler_settings={"i3d": ours}, **settings)
    )
    manager.stop()  # its thread; the handler stays
    (made,) = manager.get_log_handlers()
    made._stream = made._plain.stream = io.StringIO()
    return made


def tell(handler: plugin.LogHandler, text: str | None = None, level: int = logging.INFO, **extra) -> None:
    record = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    record.__dict__.update(extra)
    handler.handle(record)


def job(rule: str, number: int = 1, **more) -> dict:
    common = {"rule_name": rule, "jobid": number, "output": [f"{rule}.out"], "input": [], "log": [], "wildcards": {}}
    common |= {"rule_msg": None, "reason": "", "resources": {}, "local": False, "is_checkpoint": False}
    return (
        common | {"benchmark": None, "priority": 0, "threads": 1, "aux": {}, "shellcmd": "", "conda_env": None} | more
    )


def output(handler: plugin.LogHandler) -> str:
    return handler._stream.getvalue()


def test_snakemake_finds_the_plugin_by_its_name():
    found = LoggerPluginRegistry().get_plugin("i3d")
    assert found.log_handler is plugin.LogHandler
    made = handler()
    assert made.writes_to_stream and not made.writes_to_file


def test_the_jobs_of_bundles_are_silent_and_others_are_a_line():
    made = handler()
    for number, rule in enumerate(["decode", "extract", "feature", "aggregate", "all", "i3d_feature"]):
        tell(made, "", event=LogEvent.JOB_INFO, **job(rule, number))
        tell(made, "", event=LogEvent.JOB_FINISHED, job_id=number)
        tell(made, None, event=LogEvent.PROGRESS, done=1, total=6)
    tell(made, "", event=LogEvent.JOB_INFO, **job("figures", 7, output=["a.svg", "b.svg", "c.svg"]))
    tell(made, "", event=LogEvent.JOB_INFO, **job("report", 8, output=[]))
    tell(made, "", event=LogEvent.JOB_INFO, **job("measure_machine", 9, rule_msg="Checking this machine"))
    assert output(made) == "figures: a.svg and 2 more\nChecking this machine\n"


@pytest.mark.parametrize("text", plugin.SILENT_MESSAGES)
def test_remarks_that_tell_nothing_are_silent(text):
    made = handler()
    tell(made, text + " and more")
    assert output(made) == ""


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_all_else_is_told(level):
    made = handler()
    tell(made, "Directory cannot be locked.", level)
    assert output(made) == "Directory cannot be locked.\n"


def test_a_failed_bundle_is_told_once_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "extract.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)) + "\nerror: no GPU here\n")
    made = handler()
    for _ in range(2):  # as it fails, and again at the end of the run
        tell(
            made, "", logging.ERROR, event=LogEvent.JOB_ERROR, **job("extract", log=[str(log)], aux={"slurm_jobid": 7})
        )
    lines = output(made).splitlines()
    assert lines[0] == "error in extract (extract.out):"
    assert lines[1:-2] == [f"    line {number}" for number in range(991, 1000)] + ["    error: no GPU here"]
    assert lines[-2:] == ["    slurm_jobid: 7", f"    all of it: {log}"]


def test_what_a_job_wrote_to_the_terminal_itself_is_not_repeated(tmp_path):
    log = tmp_path / "lists.log"
    log.write_text("error: no such table\n")
    made = handler()
    tell(made, "", event=LogEvent.JOB_ERROR, **job("lists", log=[str(log)], shellcmd=f"python x 2> >(tee {log} >&2)"))
    assert output(made).splitlines() == ["error in lists (lists.out):", f"    all of it: {log}"]


def test_a_log_that_is_empty_gives_way_to_the_batch_systems(tmp_path):
    empty, slurm = tmp_path / "extract.log", tmp_path / "slurm.log"
    empty.write_text("")
    slurm.write_text("error: Job needs threads=3 but only threads=2 are available\n")
    made = handler()
    tell(made, "", event=LogEvent.JOB_ERROR, **job("extract", log=[str(empty), str(slurm), "no/such.log"]))
    assert "    error: Job needs threads=3 but only threads=2 are available" in output(made)


def test_a_failed_video_tells_itself():
    made = handler()
    tell(made, "", event=LogEvent.JOB_ERROR, **job("feature"))
    assert output(made) == ""


@pytest.mark.parametrize("settings", [{}, {"dryrun": True}])
def test_a_misspelt_target_is_named_in_a_sentence(settings):
    """Of Snakemake's message for those who write rules; tests/workflow/test_habits.py has it from Snakemake itself."""
    made = handler(**settings)
    hint = "(if you use input functions make sure that they don't raise unexpected exceptions)."
    tell(made, f"MissingRuleException:\nNo rule to produce my lists {hint}", logging.ERROR)
    assert output(made).startswith("error: there is no target my lists; `snakemake --cores 1 --list` names the targets")


def test_after_ctrl_c_one_line_is_told():
    made = handler()
    tell(made, "Terminating processes on user request, this might take some time.")
    tell(made, "", event=LogEvent.JOB_ERROR, **job("extract"))
    assert output(made) == "Stopping on your request, once running jobs have ended; what is finished is kept.\n"


def test_bars_are_shown_from_the_run_s_beginning_to_its_end(tmp_path):
    made = handler()
    begin_run(tmp_path, [])
    tell(made, "Watch it.", i3d_progress=str(tmp_path))
    screen = made._screen
    assert type(screen) is LineScreen and screen._thread.is_alive()
    tell(made, "The end.", i3d_ending=True)
    assert made._screen is None and not screen._thread.is_alive()
    assert output(made) == "Watch it.\n\nThe end.\n"


def test_closing_ends_the_bars_of_a_run_that_broke_off(tmp_path):
    made = handler()
    tell(made, "Watch it.", i3d_progress=str(tmp_path))
    screen = made._screen
    made.close()
    assert not screen._thread.is_alive()


@pytest.mark.parametrize("setting", ["dryrun", "verbose", "debug_dag", "printshellcmds"])
def test_what_asks_for_snakemakes_own_words_gets_them(setting):
    made = handler(**{setting: True})
    tell(made, "", event=LogEvent.JOB_INFO, **job("feature", output=["x.npy"]))
    assert "rule feature:\n    output: x.npy\n" in output(made)


def test_quiet_is_quiet():
    made = handler(quiet={Quietness.ALL})
    tell(made, "Directory cannot be locked.")
    assert output(made) == ""


def test_another_package_of_our_name_is_said(tmp_path):
    (tmp_path / "i3d.py").write_text("")  # as in a clone of another project
    command = [sys.executable, "-c", "import snakemake_logger_plugin_i3d"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.stderr == f"error: {tmp_path}/i3d.py is another package i3d; take its folder out of PYTHONPATH\n"
