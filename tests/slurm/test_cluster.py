"""The Narval profile on a real SLURM: what the jobs ask for, and what is left after every kind of trouble."""

import contextlib
import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.slurm_cluster import run, wait_for
from tests.support.slurm_project import LONG, NEWEST, PINNED, SHORT, Project

pytestmark = pytest.mark.slurm

ODD_NAMES = [
    "train_val/anomaly/$HOME `id` $(id).mp4",
    'train_val/anomaly/it\'s "quoted" & 100%; #1.mp4',
    "train_val/non_anomaly/a * [c] é\\n.1.mp4",
]


@pytest.mark.parametrize("venv", [PINNED, NEWEST], ids=["pinned", "newest"])
def test_bundles_are_single_jobs_that_ask_for_what_the_profile_says(project: Project, venv):
    for name in ODD_NAMES:
        project.clip(name, SHORT)
    project.clip("test/anomaly/hollow.mp4", LONG)
    hollow = project.videos / "test/anomaly/hollow.mp4"
    hollow.write_bytes(empty_frames(hollow.read_bytes()))  # only decoding finds that out
    (project.videos / "test/anomaly/text.mp4").write_text("no video at all")

    assert project.snakemake(venv=venv, config=(f"bundle_frames={LONG}",)) == 1, "the hollow video's job must fail"

    jobs = project.jobs()
    assert [job["State"] for job in jobs] == ["COMPLETED"] * 2
    for job in jobs:
        assert job["Account"] == "def-test_gpu"
        assert job["Timelimit"] == "01:00:00"
        assert set(job["AllocTRES"].split(",")) >= {
            "cpu=6",
            "mem=40G",
            "gres/gpu:a100_4g.20gb=1",
            "gres/gpu=1",
            "node=1",
        }
    assert project.published() == {f"{name.removesuffix('.mp4')}.npy" for name in ODD_NAMES}
    rows = project.rows()
    assert [rows[name]["status"] for name in ODD_NAMES] == ["ok"] * 3
    assert rows["test/anomaly/hollow.mp4"]["status"] == "skipped"
    assert "unreadable" in rows["test/anomaly/hollow.mp4"]["reason"]
    assert "unreadable" in rows["test/anomaly/text.mp4"]["reason"]

    assert project.snakemake(venv=venv, config=(f"bundle_frames={LONG}",)) == 0
    assert len(project.jobs()) == 2, "a second run has nothing to submit"


def test_interrupted_jobs_lose_nothing_that_was_finished(project: Project):
    pairs(project, "abcd")
    snakemake = project.start("--retries", "0", config=PAIRS)
    struck = freeze(project, "bcd")

    run("scontrol", "update", f"jobid={struck['b']}", "timelimit=1")
    run("scancel", struck["c"])
    wait_for(lambda: running() == [struck["d"]], "one to be cancelled, one to time out, one to end")
    node = run("squeue", "-h", "-j", struck["d"], "-o", "%N")
    run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_for(lambda: run("squeue", "-h", "-j", struck["d"], "-o", "%T") == "PENDING", "the job to be queued again")
    run("scontrol", "update", f"jobid={struck['d']}", "starttime=now")  # SLURM would wait two minutes
    assert project.finish(snakemake) == 1
    run("scontrol", "update", f"nodename={node}", "state=resume")

    assert project.states() == ["CANCELLED", "COMPLETED", "COMPLETED", "TIMEOUT"]
    finished = {"a1", "a2", "b1", "c1", "d1", "d2"}
    assert project.published() == {f"test/anomaly/{name}.npy" for name in finished}
    rows = project.rows()
    assert {name: row["status"] for name, row in rows.items()} == {
        f"test/anomaly/{name}.mp4": "ok" if name in finished else "failed" for name in finished | {"b2", "c2"}
    }
    assert "did not finish" in rows["test/anomaly/b2.mp4"]["reason"]
    first = files_of_first(project)
    assert len(first) == 4

    assert project.snakemake(config=PAIRS) == 0
    assert project.states() == ["CANCELLED", *["COMPLETED"] * 4, "TIMEOUT"], "exactly the two unfinished ones again"
    assert len(project.published()) == 8
    assert files_of_first(project) == first
    assert {row["status"] for row in project.rows().values()} == {"ok"}


def test_after_a_killed_snakemake_only_what_its_jobs_left_is_done(project: Project):
    pairs(project, "ab")
    snakemake = project.start(config=PAIRS)
    struck = freeze(project, "b")
    snakemake.kill()
    snakemake.wait()

    assert project.snakemake(config=PAIRS) == 1
    assert "--unlock" in project.output
    assert project.snakemake("--unlock", config=PAIRS) == 0
    assert project.snakemake(config=PAIRS) == 1
    assert "Jobs of an earlier run here are still in the queue" in project.output
    wait_for(lambda: running() == [struck["b"]], "the orphan to end")
    run("scancel", struck["b"])
    wait_for(lambda: not running(), "the other orphan to end")
    assert project.published() == set()
    finished = files_of_first(project)
    assert len(finished) == 2

    assert project.snakemake(config=PAIRS) == 0
    assert project.states() == ["CANCELLED", "COMPLETED", "COMPLETED"]
    assert len(project.published()) == 4
    assert files_of_first(project) == finished


def test_a_job_out_of_memory_is_tried_again_with_more(project: Project):
    project.clip("test/anomaly/a.mp4", SHORT)
    asked = ["slurm_account=def-test_gpu", "gres=gpu:a100_4g.20gb:1", "cpus_per_task=2", "mem_mb=400 * attempt"]
    assert project.snakemake("--default-resources", *asked) == 0
    jobs = project.jobs()
    assert [(job["State"] == "COMPLETED", job["Timelimit"]) for job in jobs] == [
        (False, "01:00:00"),
        (True, "02:00:00"),
    ]
    assert "mem=800M" in jobs[0]["AllocTRES"]
    assert "mem=1600M" in jobs[1]["AllocTRES"]
    assert "OUT_OF_MEMORY" in run("sacct", "-n", "-P", "-o", "State", "-j", jobs[0]["JobID"])
    assert project.published() == {"test/anomaly/a.npy"}


PAIRS = (f"bundle_frames={SHORT + LONG}",)


def pairs(project: Project, bundles: str) -> None:
    """Videos a1, a2, b1, b2, ...: each bundle, under `PAIRS`, takes a short and a long one."""
    for bundle in bundles:
        project.clip(f"test/anomaly/{bundle}1.mp4", SHORT)
        project.clip(f"test/anomaly/{bundle}2.mp4", LONG)


def freeze(project: Project, bundles: str) -> dict[str, str]:
    """Stop each bundle's extract process once its first video is done, as if it hung; return the jobs' numbers."""
    jobs: dict[str, str] = {}

    def frozen() -> bool:
        for bundle in set(bundles) - set(jobs):
            if (project.staging / f"test/anomaly/{bundle}1.npy.json").exists():
                process = extract_of(project, f"test/anomaly/{bundle}1.mp4")
                os.kill(int(process.name), signal.SIGSTOP)
                [jobs[bundle]] = re.findall(r"\0SLURM_JOB_ID=(\d+)", (process / "environ").read_text())
        return len(jobs) == len(bundles)

    wait_for(frozen, f"the first features of bundles {bundles}")
    return jobs


def extract_of(project: Project, video: str) -> Path:
    """The /proc folder of the process that extracts the bundle with this video."""
    [bundle] = [path for path in project.bundles.glob("*.json") if json.dumps(video) in path.read_text()]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_text().split("\0")
            if "scripts/extract.py" in command[:2] and str(bundle.relative_to(project.folder)) in command:
                return process
    raise AssertionError(f"no process extracts {video}")


def running() -> list[str]:
    """Numbers of the jobs in the queue."""
    return run("squeue", "-h", "-o", "%i").split()


def files_of_first(project: Project) -> dict[str, int]:
    """The inodes of the short videos' features, wherever they lie: moving keeps them, writing anew does not."""
    return {path.name: path.stat().st_ino for path in project.features.rglob("?1.npy")}


def empty_frames(video: bytes) -> bytes:
    """An MP4 whose media data are zeros."""
    start = video.index(b"mdat") + 4
    size = int.from_bytes(video[start - 8 : start - 4], "big") - 8
    return video[:start] + bytes(size) + video[start + size :]
