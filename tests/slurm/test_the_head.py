"""Snakemake itself as a job, which meets its time limit and is submitted again."""

import os
import signal

import pytest

from tests.slurm.test_cluster import PAIRS, extract_of, files_of_first, freeze, pairs
from tests.support.paths import ROOT
from tests.support.slurm_cluster import run, wait_for
from tests.support.slurm_project import ON_THIS_MACHINE, SlurmWorkflow, accounted_jobs, running

pytestmark = pytest.mark.slurm


def submit_head(workflow: SlurmWorkflow) -> str:
    """Submit the head's job; returns its number."""
    options = ["--account=def-test_cpu", "--time=60", "--mem=2G", f"--chdir={workflow.folder}", "--parsable"]
    environment = (
        f"--export=ALL,I3D_ACCOUNT=def-test_gpu,PYTHONPATH={ROOT},PATH={workflow.venv}/bin:{os.environ['PATH']}"
    )
    arguments = [*workflow.profile, *ON_THIS_MACHINE, *workflow.settings(**PAIRS)]
    return run("sbatch", *options, environment, str(ROOT / "profiles/head.sh"), *arguments)


def state_of(number: str) -> str:
    """What the accounting says of a job."""
    [job] = [job for job in accounted_jobs() if job["JobID"] == number]
    return job["State"]


def test_a_head_that_met_its_time_limit_is_followed_by_another_that_does_the_rest(workflow: SlurmWorkflow):
    pairs(workflow, "b")
    first, second = submit_head(workflow), submit_head(workflow)
    struck = freeze(workflow, "b")
    queued = {first, second, struck["b"]}
    run("scontrol", "update", f"jobid={first}", "timelimit=1")
    wait_for(lambda: running(queued) == {second, struck["b"]}, "the next head to wait")
    assert state_of(first) == "TIMEOUT"
    finished = files_of_first(workflow)
    said = workflow.folder / f"i3d-head-{second}.log"
    wait_for(lambda: said.exists() and "waiting until they have ended" in said.read_text(), "what it waits for")

    os.kill(extract_of(workflow, "test/anomaly/b1.mp4"), signal.SIGCONT)
    wait_for(lambda: not running(queued), "the second head to end")
    assert state_of(second) == "COMPLETED", said.read_text()
    assert workflow.states() == ["COMPLETED", "COMPLETED", "TIMEOUT"], "two heads, one bundle: nothing was done twice"
    assert len(workflow.features()) == 2 and files_of_first(workflow) == finished
