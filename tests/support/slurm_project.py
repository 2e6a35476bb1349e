"""Fixtures: the cluster, and a project folder in which the workflow runs on it with the Narval profile as it is."""

import csv
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from make_demo_videos import write_clip
from tests.support.paths import ROOT
from tests.support.slurm_cluster import cluster, run

PINNED, NEWEST = ROOT / ".venv", ROOT / ".venv-newest"
SHORT, LONG = 33, 208  # frames: 2 and 13 snippets
JOB_FIELDS = ("JobID", "State", "Account", "Timelimit", "AllocTRES", "WorkDir", "JobName")

# The profile as a user has it, but for: this machine's two cores, which two threads of a job must not exceed, SLURM
# asked sooner how the jobs are, no GPU, and a network that means nothing and takes a tenth of the time.
ON_THIS_MACHINE = ["--set-threads", "decode=1", "extract=1", "--slurm-init-seconds-before-status-checks", "2"]
TRIAL = ["weights=random", "sample_mode=center_crop", "batch_size=1", "device=cpu"]
TRIAL += ["videos=videos", "features=features"]


@pytest.fixture(scope="session", autouse=True)
def running_cluster() -> Iterator[Path]:
    """The cluster, for all tests of this folder."""
    with cluster() as state:
        yield state


class Project:
    """A checkout's stand-in with a videos tree of its own, and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.videos, self.features = folder / "videos", folder / "features"
        self.staging, self.bundles = self.features / ".i3d/staging", self.features / ".i3d/bundles"
        for name in ("Snakefile", "rules", "scripts", "config", "profiles", "envs"):
            (folder / name).symlink_to(ROOT / name)

    def clip(self, video: str, frames: int) -> None:
        write_clip(self.videos / video, frames, speed=3)

    def start(self, *options: str, config: tuple[str, ...] = (), venv: Path = PINNED) -> subprocess.Popen[str]:
        """Start Snakemake with the Narval profile; what it prints goes to `output`."""
        with self.log.open("w") as log:
            return subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),  # it ends with the test run, whatever ends that
                    venv / "bin" / "snakemake",
                    *("--profile", "profiles/narval", *ON_THIS_MACHINE, *options),
                    *("--config", *TRIAL, *config),
                ],
                cwd=self.folder,
                env=os.environ | {"SLURM_ACCOUNT": "def-test_gpu", "PATH": f"{PINNED}/bin:{os.environ['PATH']}"},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def snakemake(self, *options: str, config: tuple[str, ...] = (), venv: Path = PINNED, seconds: float = 400) -> int:
        """Run Snakemake to its end and return its exit status."""
        return self.finish(self.start(*options, config=config, venv=venv), seconds)

    def finish(self, process: subprocess.Popen[str], seconds: float = 400) -> int:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            for log in (self.log, *self.folder.glob("logs/*/*.log")):  # pytest shows them when the test fails
                print(f"{log}:\n{log.read_text()}")

    @property
    def log(self) -> Path:
        return self.folder / "snakemake.log"

    @property
    def output(self) -> str:
        """What the last Snakemake printed."""
        return self.log.read_text()

    def jobs(self) -> list[dict[str, str]]:
        """What the accounting knows of this project's jobs, oldest first, by `JOB_FIELDS`."""
        listing = run("sacct", "-X", "-n", "-P", "-S", "now-1hours", "-o", ",".join(JOB_FIELDS))
        jobs = [dict(zip(JOB_FIELDS, line.split("|"), strict=True)) for line in listing.splitlines()]
        return [job for job in jobs if job["WorkDir"] == str(self.folder)]

    def states(self) -> list[str]:
        """The first word of every job's state, sorted."""
        return sorted(job["State"].split()[0] for job in self.jobs())

    def published(self) -> set[str]:
        """Features in their place."""
        return {
            str(path.relative_to(self.features))
            for path in self.features.rglob("*.npy")
            if ".i3d" not in path.relative_to(self.features).parts
        }

    def rows(self) -> dict[str, dict[str, str]]:
        """metadata.csv by video."""
        with (self.features / "metadata.csv").open(newline="") as file:
            return {row["video"]: row for row in csv.DictReader(file)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
