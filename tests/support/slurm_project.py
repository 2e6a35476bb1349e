"""Fixtures: the cluster, and a folder in which the workflow runs on it with the Narval profile as it is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import slurm_cluster
from tests.support.paths import ROOT
from tests.support.slurm_cluster import run, wait_for
from tests.support.slurm_jobs import look_often
from tests.support.workflow import SNAKEMAKE, Run, Workflow

PINNED, NEWEST = ROOT / ".venv", ROOT / ".venv-newest"  # the second: `make .venv-newest/.complete`
SHORT, LONG = 16, 64  # frames: 2 and 8 snippets
JOB_FIELDS = ("JobID", "State", "Account", "Timelimit", "AllocTRES", "WorkDir", "JobName")

# The profile as a user has it, but for: this machine's two cores, which two threads of a job must not exceed, SLURM
# asked sooner how the jobs are, no GPU, and a network that means nothing and takes a twentieth of the time.
ON_THIS_MACHINE = ["--set-threads", "decode=1", "extract=1", "--slurm-init-seconds-before-status-checks", "2"]
TRIAL = {"device": "cpu", "batch_size": 1}


@pytest.fixture(scope="session", autouse=True)
def running_cluster() -> Iterator[Path]:
    """The cluster, for all tests of this folder: the one that runs, or else one that is started for them."""
    if (running := slurm_cluster.running_cluster()) is not None:
        yield running
        return
    with slurm_cluster.cluster() as state:
        yield state


class SlurmWorkflow(Workflow):
    """A user's folder, without videos at first, where Snakemake is run with the Narval profile."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {}, **TRIAL)
        self.venv = PINNED
        self.profile = ["--profile", "profiles/narval"]

    def start(self, *arguments: str, **config: object) -> Run:  # type: ignore[override]
        """Start Snakemake, which ends with the test run, whatever ends that."""
        snakemake = SNAKEMAKE
        if self.venv != PINNED:
            snakemake = ["setpriv", "--pdeathsig", "KILL", str(self.venv / "bin/snakemake")]
        command = [*snakemake, *self.profile, *ON_THIS_MACHINE, *arguments, *self.settings(**config)]
        return Run(self.folder, command, before=look_often, I3D_ACCOUNT="def-test_gpu")

    def jobs(self) -> list[dict[str, str]]:
        """What the accounting knows of this folder's jobs, oldest first, by `JOB_FIELDS`."""
        return [job for job in accounted_jobs() if job["WorkDir"] == str(self.folder)]

    def states(self) -> list[str]:
        """The first word of every job's state, sorted."""
        return sorted(job["State"].split()[0] for job in self.jobs())


def accounted_jobs() -> list[dict[str, str]]:
    """All jobs by `JOB_FIELDS`, oldest first, once the accounting has heard of the end of every job that ended."""
    jobs: list[dict[str, str]] = []

    def up_to_date() -> bool:
        listing = run("sacct", "-X", "-n", "-P", "-S", "now-1hours", "-o", ",".join(JOB_FIELDS))
        jobs[:] = [dict(zip(JOB_FIELDS, line.split("|"), strict=True)) for line in listing.splitlines()]
        going = {job["JobID"] for job in jobs if job["State"] in ("PENDING", "RUNNING")}
        return going <= set(run("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%i").split())

    wait_for(up_to_date, "the accounting")
    return jobs


def running(jobs: Iterable[str]) -> set[str]:
    """Which of these jobs, by their numbers, are in the queue."""
    return set(jobs) & set(run("squeue", "-h", "-o", "%i").split())


@contextmanager
def limited(kind: str, name: str, limit: str) -> Iterator[None]:
    """Set a limit such as `GrpSubmitJobs=1` on an account or a QOS, and take it back."""
    run("sacctmgr", "-i", "modify", kind, name, "set", limit)
    try:
        yield
    finally:
        run("sacctmgr", "-i", "modify", kind, name, "set", f"{limit.partition('=')[0]}=-1")


@pytest.fixture
def workflow(tmp_path: Path) -> SlurmWorkflow:
    return SlurmWorkflow(tmp_path)
