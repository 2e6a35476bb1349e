"""The Narval profile on a real SLURM: what the jobs ask for, and what is left after every kind of trouble."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.slurm_cluster import H100, run, wait_for
from tests.support.slurm_project import LONG, SHORT, SlurmWorkflow, limited, running
from tests.support.workflow import write_clip

pytestmark = pytest.mark.slurm

ODD_NAMES = [
    "train_val/anomaly/$HOME `id` $(id).mp4",
    'train_val/anomaly/it\'s "quoted" & 100%; #1.mp4',
    "train_val/non_anomaly/a * [c] é\\n.1.mp4",
]


def test_bundles_are_single_jobs_that_ask_for_what_the_profile_says(workflow: SlurmWorkflow):
    for name in ODD_NAMES:
        write_clip(workflow.video(name), SHORT)
    write_clip(workflow.video("test/anomaly/hollow.mp4"), LONG)
    hollow = workflow.video("test/anomaly/hollow.mp4")
    hollow.write_bytes(empty_frames(hollow.read_bytes()))  # only decoding finds that out
    workflow.video("test/anomaly/text.mp4").write_text("no video at all")

    workflow.run(bundle_frames=LONG)

    jobs = workflow.jobs()
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
    assert set(workflow.features()) == {f"{name.removesuffix('.mp4')}.npy" for name in ODD_NAMES}
    rows = workflow.metadata()
    assert [rows[name]["status"] for name in ODD_NAMES] == ["ok"] * 3
    assert rows["test/anomaly/hollow.mp4"]["status"] == "skipped"
    assert "unreadable" in rows["test/anomaly/hollow.mp4"]["reason"]
    assert "unreadable" in rows["test/anomaly/text.mp4"]["reason"]

    workflow.run(bundle_frames=LONG)
    assert len(workflow.jobs()) == 2, "a second run has nothing to submit"


def test_interrupted_jobs_lose_nothing_that_was_finished(workflow: SlurmWorkflow):
    pairs(workflow, "abcd")
    snakemake = workflow.start("--retries", "0", **PAIRS)
    struck = freeze(workflow, "bcd")
    queued = [job["JobID"] for job in workflow.jobs()]

    run("scontrol", "update", f"jobid={struck['b']}", "timelimit=1")
    run("scancel", struck["c"])
    wait_for(lambda: running(queued) == {struck["d"]}, "one to be cancelled, one to time out, one to end")
    node = run("squeue", "-h", "-j", struck["d"], "-o", "%N")
    run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_for(lambda: run("squeue", "-h", "-j", struck["d"], "-o", "%T") == "PENDING", "the job to be queued again")
    run("scontrol", "update", f"jobid={struck['d']}", "starttime=now")  # SLURM would wait two minutes
    code, output = snakemake.end()
    assert code == 1, output
    run("scontrol", "update", f"nodename={node}", "state=resume")

    assert workflow.states() == ["CANCELLED", "COMPLETED", "COMPLETED", "TIMEOUT"]
    finished = {"a1", "a2", "b1", "c1", "d1", "d2"}
    assert set(workflow.features()) == {f"test/anomaly/{name}.npy" for name in finished}
    rows = workflow.metadata()
    assert {name: row["status"] for name, row in rows.items()} == {
        f"test/anomaly/{name}.mp4": "ok" if name in finished else "not done" for name in finished | {"b2", "c2"}
    }
    assert f"its job {struck['b']} reached its time limit" in rows["test/anomaly/b2.mp4"]["reason"]
    assert f"its job {struck['c']} was cancelled by root (CANCELLED)" in rows["test/anomaly/c2.mp4"]["reason"]
    log = re.search(r"; see ([^;\s]+)", rows["test/anomaly/b2.mp4"]["reason"])
    assert log and (workflow.folder / log[1]).is_file(), "the reason names a log that is there"
    for bundle, why in (("b", "reached its time limit"), ("c", "was cancelled by root")):
        told = f"(test/anomaly/{bundle}1.mp4 and 1 more video): its job {struck[bundle]} {why}"
        assert output.count(told) == 1, output
    assert not list((workflow.folder / "logs").rglob("*.npy"))
    assert not [log for log in (workflow.folder / "logs").rglob("*") if log.is_file() and not log.stat().st_size]
    first = files_of_first(workflow)
    assert len(first) == 4

    workflow.run(**PAIRS)
    assert workflow.states() == ["CANCELLED", *["COMPLETED"] * 4, "TIMEOUT"], "exactly the two unfinished ones again"
    assert len(workflow.features()) == 8
    assert files_of_first(workflow) == first
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}


def test_a_refusal_that_passes_costs_no_attempt(workflow: SlurmWorkflow):
    """With another job in the only place, and GPUs asked for by `gpu` and `gpu_model`."""
    pairs(workflow, "ab")
    asked = ["slurm_account=def-test_gpu", "gpu=1", f"gpu_model={H100}", "cpus_per_task=2", "mem_mb=4096"]
    sleeper = run("sbatch", "--parsable", "-A", "def-test_gpu", "-o", "/dev/null", "--mem=10", "--wrap", "sleep 600")
    with limited("account", "def-test_gpu", "GrpSubmitJobs=1"):
        snakemake = workflow.start("--default-resources", *asked, "--retries", "0", "--jobs", "1", **PAIRS)
        log = workflow.folder / ".snakemake/log"
        wait_for(
            lambda: any(b"SLURM takes no more jobs now" in each.read_bytes() for each in log.glob("*")), "a refusal"
        )
        run("scancel", sleeper)
        code, output = snakemake.end()
    assert code == 0 and "SLURM takes no more jobs now (" in output and "AssocGrpSubmitJobsLimit" in output, output
    assert workflow.states() == ["COMPLETED", "COMPLETED"]
    assert all(f"gres/gpu:{H100}=1" in job["AllocTRES"].split(",") for job in workflow.jobs())
    assert len(workflow.features()) == 4


PAIRS = {"bundle_frames": SHORT + LONG}


def pairs(workflow: SlurmWorkflow, bundles: str) -> None:
    """Videos a1, a2, b1, b2, ...: each bundle, under `PAIRS`, takes a short and a long one."""
    for bundle in bundles:
        write_clip(workflow.video(f"test/anomaly/{bundle}1.mp4"), SHORT)
        write_clip(workflow.video(f"test/anomaly/{bundle}2.mp4"), LONG)


def freeze(workflow: SlurmWorkflow, bundles: str) -> dict[str, str]:
    """Stop each bundle's extract process once its first video is done, as if it hung; return the jobs' numbers."""
    jobs: dict[str, str] = {}

    def frozen() -> bool:
        for bundle in set(bundles) - set(jobs):
            if f"test/anomaly/{bundle}1.npy" in workflow.staged():
                process = extract_of(workflow, f"test/anomaly/{bundle}1.mp4")
                os.kill(process, signal.SIGSTOP)
                environment = Path(f"/proc/{process}/environ").read_text()
                [jobs[bundle]] = re.findall(r"\0SLURM_JOB_ID=(\d+)", environment)
        return len(jobs) == len(bundles)

    wait_for(frozen, f"the first features of bundles {bundles}")
    return jobs


def extract_of(workflow: SlurmWorkflow, video: str) -> int:
    """The process that extracts the bundle with this video."""
    [bundle] = [path for path in (workflow.work / "bundles").glob("*.json") if json.dumps(video) in path.read_text()]
    [process] = [
        process
        for process in workflow.processes("extract")
        if bundle.name in Path(f"/proc/{process}/cmdline").read_text()
    ]
    return process


def files_of_first(workflow: SlurmWorkflow) -> dict[str, int]:
    """The inodes of the short videos' features, wherever they lie: moving keeps them, writing anew does not."""
    return {path.name: path.stat().st_ino for path in workflow.feature("").rglob("?1.npy")}


def empty_frames(video: bytes) -> bytes:
    """An MP4 whose media data are zeros."""
    start = video.index(b"mdat") + 4
    size = int.from_bytes(video[start - 8 : start - 4], "big") - 8
    return video[:start] + bytes(size) + video[start + size :]
