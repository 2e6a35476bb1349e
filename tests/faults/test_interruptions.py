"""An interrupted run keeps what it had finished."""

import os
import shutil
import signal

import pytest

from tests.support.workflow import wait_until

pytestmark = pytest.mark.faults


def test_sigterm_to_extract_leaves_in_place_what_it_had_finished(workflow, undisturbed):
    """As before the end of the walltime."""
    run = workflow.start("--keep-going")
    assert wait_until(workflow.staged, lambda: run.going)
    for pid in workflow.processes("extract"):
        os.kill(pid, signal.SIGTERM)
    code, output = run.end()
    assert code != 0, output

    finished = workflow.features()
    assert finished and finished.items() < undisturbed.features.items()
    rows = {row["video"]: (row["status"], row["reason"]) for row in workflow.metadata().values()}
    assert {video for video, (status, _) in rows.items() if status == "ok"} == {
        name.replace(".npy", ".mp4") for name in finished
    }
    assert {reason.split(":")[0] for _, reason in rows.values()} == {"", "not done"}
    assert {path.split("/")[0] for path in workflow.work_files()} <= {
        "bundles",
        "catalog.json",
        "extracted",
        "journals",
        "lock",
        "plans",
        "trees.json",
        "staging",
    }
    assert workflow.planned() == undisturbed.features.keys() - finished.keys()
    workflow.run()
    assert workflow.features() == undisturbed.features


def test_what_a_killed_run_had_staged_is_not_done_again(workflow, undisturbed):
    run = workflow.start()
    assert wait_until(workflow.staged, lambda: run.going)
    run.signal_all(signal.SIGKILL)
    run.end()
    staged = workflow.staged()
    assert not workflow.features()
    shutil.rmtree(workflow.folder / "logs")

    assert "--unlock" in workflow.run(ok=False), "Snakemake says how to go on"
    workflow.run("--unlock")
    workflow.run()
    for feature in staged:
        assert feature.replace(".npy", ".mp4") not in workflow.log("decode") + workflow.log("extract")
    assert workflow.features() == undisturbed.features
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}


@pytest.mark.parametrize("victim", ["decode", "extract"])
def test_neither_end_of_a_pipe_outlives_the_other(workflow, undisturbed, victim):
    pair = ("--set-threads", "decode=1", "extract=1")
    run = workflow.start(*pair, cores=2, frames="pipe")
    assert wait_until(lambda: workflow.processes("extract") and workflow.processes("decode"), lambda: run.going)
    for pid in workflow.processes(victim):
        os.kill(pid, signal.SIGKILL)
    code, output = run.end()
    assert code != 0, output
    wait_until(lambda: not workflow.orphans())
    workflow.run(*pair, cores=2, frames="pipe")
    assert workflow.features() == undisturbed.features
