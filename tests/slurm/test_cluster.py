"""The Narval profile on a real SLURM: what the jobs ask for, and what is left after every kind of trouble."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.slurm_cluster import FRAGILE, H100, H100_LONG, LIMITED, run, wait_for
from tests.support.slurm_project import LONG, NEWEST, SHORT, SlurmWorkflow, limited, running
from tests.support.workflow import PARTS, write_clip

pytestmark = pytest.mark.slurm

ODD_NAMES = [
    "train_val/anomaly/$HOME `id` $(id).mp4",
    'train_val/anomaly/it\'s "quoted" & 100%; #1.mp4',
    "train_val/non_anomaly/a * [c] é\\n.1.mp4",
]


def test_a_bundle_is_one_job_that_asks_for_what_the_profile_says(workflow: SlurmWorkflow):
    for name in ODD_NAMES:
        write_clip(workflow.video(name), SHORT)
    write_clip(workflow.video("test/anomaly/hollow.mp4"), LONG)
    hollow = workflow.video("test/anomaly/hollow.mp4")
    hollow.write_bytes(empty_frames(hollow.read_bytes()))  # only decoding finds that out
    workflow.video("test/anomaly/text.mp4").write_text("no video at all")

    output = workflow.run()

    [job] = workflow.jobs()
    assert (job["State"], job["Account"], job["Timelimit"]) == ("COMPLETED", "def-test_gpu", "01:00:00")
    assert set(job["AllocTRES"].split(",")) >= {
        "cpu=6",
        "mem=40G",
        "gres/gpu:a100_4g.20gb=1",
        "gres/gpu=1",
        "node=1",
    }
    log = "".join(path.read_text() for path in (workflow.folder / ".snakemake/log").iterdir())
    noise = ("SLURM run ID: ", "submitted with SLURM jobid")
    assert [(words in log, words in output) for words in noise] == [(True, False)] * 2
    features = workflow.features()
    assert set(features) == {f"{name.removesuffix('.mp4')}.npy" for name in ODD_NAMES}
    assert len(set(features.values())) == 1, "of the same frames"
    rows = workflow.metadata()
    assert [rows[name]["status"] for name in ODD_NAMES] == ["ok"] * 3
    assert rows["test/anomaly/hollow.mp4"]["status"] == "skipped"
    assert "unreadable" in rows["test/anomaly/hollow.mp4"]["reason"]
    assert "unreadable" in rows["test/anomaly/text.mp4"]["reason"]

    workflow.run()
    assert len(workflow.jobs()) == 1, "a second run has nothing to submit"


def test_interrupted_jobs_lose_nothing_that_was_finished(workflow: SlurmWorkflow):
    pairs(workflow, "bcd")
    asked = ["slurm_account=def-test_gpu", f"slurm_partition={FRAGILE}", "gres=gpu:a100_4g.20gb:1", "mem_mb=4096"]
    snakemake = workflow.start("--default-resources", *asked, "--retries", "0", **PAIRS)
    struck = freeze(workflow, "bcd")
    for job in struck.values():
        bundle = run("squeue", "-h", "-j", job, "-o", "%k").rpartition("_")[2]
        assert (workflow.work / f"bundles/{bundle}.json").is_file(), "the job's comment ends in its bundle"

    run("scontrol", "update", f"jobid={struck['b']}", "timelimit=1")
    run("scancel", struck["c"])
    wait_for(lambda: running(struck.values()) == {struck["d"]}, "one to be cancelled, one to time out")
    node = run("squeue", "-h", "-j", struck["d"], "-o", "%N")
    run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_for(lambda: run("squeue", "-h", "-j", struck["d"], "-o", "%T") == "PENDING", "the job to be queued again")
    run("scontrol", "update", f"jobid={struck['d']}", "starttime=now")  # SLURM would wait two minutes
    code, output = snakemake.end()
    assert code == 1, output
    run("scontrol", "update", f"nodename={node}", "state=resume")

    assert workflow.states() == ["CANCELLED", "COMPLETED", "TIMEOUT"]
    finished = {"b1", "c1", "d1", "d2"}
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
    assert len(first) == 3

    workflow.run(bundle_frames=2 * LONG)
    assert workflow.states() == ["CANCELLED", "COMPLETED", "COMPLETED", "TIMEOUT"]
    features = workflow.features()
    assert len(features) == 6
    for number in "12":
        assert len({features[f"test/anomaly/{name}{number}.npy"] for name in "bcd"}) == 1, "of the same frames"
    again = max((workflow.folder / "logs/extract").iterdir(), key=lambda log: log.stat().st_mtime_ns).read_text()
    assert [name for name in ("b1", "b2", "c1", "c2", "d1", "d2") if f"/{name}.mp4" in again] == ["b2", "c2"]
    assert files_of_first(workflow) == first
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}


def test_after_a_killed_snakemake_only_what_its_job_left_is_done_from_another_folder(workflow: SlurmWorkflow, tmp_path):
    pairs(workflow, "b")
    snakemake = workflow.start(**PAIRS)
    struck = freeze(workflow, "b")["b"]
    snakemake.signal_all(signal.SIGKILL)
    snakemake.end()

    said = workflow.run(ok=False, **PAIRS).rstrip().splitlines()[-1]
    assert said.startswith("error: this folder is locked by a Snakemake that was killed"), "at once, not after the job"
    assert "`snakemake --config " in said and " --profile profiles/narval --unlock`" in said
    assert f" unlocks it, then a run waits for jobs {struck} of your run in" in said
    trees = {name: workflow.folder / str(workflow.config[name]) for name in ("videos", "features")}
    elsewhere = SlurmWorkflow(tmp_path / "elsewhere")
    assert f"jobs {struck} of your run in {workflow.folder}" in elsewhere.run("-n", **PAIRS, **trees)
    second = elsewhere.start(**PAIRS, **trees)
    wait_for(
        lambda: any("waiting until they" in each.read_text() for each in elsewhere.folder.glob("output.*")), "waiting"
    )
    assert running([struck]) and not elsewhere.jobs(), "the second run waits"
    run("scancel", struck)
    code, output = second.end()
    assert code == 0 and f"`scancel {struck}` ends them" in output, output

    assert workflow.states() == ["CANCELLED"]
    assert elsewhere.states() == ["COMPLETED"], "for what the orphan had not finished"
    assert len(workflow.features()) == 2
    assert not list((workflow.work / "jobs").glob("*"))


def test_a_job_out_of_memory_is_tried_again_with_more(workflow: SlurmWorkflow):
    write_clip(workflow.video("test/anomaly/a.mp4"), SHORT)
    asked = ["slurm_account=def-test_gpu", "gres=gpu:a100_4g.20gb:1", "cpus_per_task=2", "mem_mb=400 * attempt"]
    output = workflow.run("--default-resources", *asked)
    jobs = workflow.jobs()
    assert [(job["State"] == "COMPLETED", job["Timelimit"]) for job in jobs] == [
        (False, "01:00:00"),
        (True, "02:00:00"),
    ]
    assert "mem=800M" in jobs[0]["AllocTRES"]
    assert "mem=1600M" in jobs[1]["AllocTRES"]
    assert "ran out of its 800 MB of memory" in output and "attempt 1 of 3, tried again" in output
    named = re.search("all of it: (.*)", output)
    assert named and all((workflow.folder / log).is_file() for log in named[1].split(", "))
    assert all(log.endswith((".attempt1.log", f"/{jobs[0]['JobID']}.log")) for log in named[1].split(", "))
    assert "OUT_OF_MEMORY" in run("sacct", "-n", "-P", "-o", "State", "-j", jobs[0]["JobID"])
    assert set(workflow.features()) == {"test/anomaly/a.npy"}


def test_the_workflow_of_a_clone_runs_in_a_data_folder(workflow: SlurmWorkflow):
    """With the newest Snakemake and another cluster's profile."""
    workflow.venv = NEWEST
    for name in PARTS:
        (workflow.folder / name).unlink()
    write_clip(workflow.video("test/anomaly/a.mp4"), SHORT)
    workflow.profile = ["-s", f"{ROOT}/Snakefile", "--profile", f"{ROOT}/profiles/fir"]
    workflow.run()
    (job,) = workflow.jobs()
    assert job["State"] == "COMPLETED"
    assert {f"gres/gpu:{H100_LONG}=1", "gres/gpu=1", "cpu=3", "mem=40G"} <= set(job["AllocTRES"].split(","))
    assert set(workflow.features()) == {"test/anomaly/a.npy"}
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}
    assert not {path.name for path in workflow.folder.iterdir()} & set(PARTS)


@pytest.mark.xdist_group("limits")
def test_a_refusal_that_passes_costs_no_attempt(workflow: SlurmWorkflow):
    """With another job in the only place, and GPUs asked for by `gpu` and `gpu_model`."""
    pairs(workflow, "a")
    asked = [f"slurm_account={LIMITED}", "gpu=1", f"gpu_model={H100}", "cpus_per_task=2", "mem_mb=4096"]
    sleeper = run("sbatch", "--parsable", "-A", LIMITED, "-o", "/dev/null", "--mem=10", "--wrap", "sleep 600")
    with limited("account", LIMITED, "GrpSubmitJobs=1"):
        snakemake = workflow.start("--default-resources", *asked, "--retries", "0", "--jobs", "1", **PAIRS)
        log = workflow.folder / ".snakemake/log"
        wait_for(
            lambda: any(b"SLURM accepts no more jobs now" in each.read_bytes() for each in log.glob("*")), "a refusal"
        )
        run("scancel", sleeper)
        code, output = snakemake.end()
    assert code == 0 and "SLURM accepts no more jobs now (" in output and "AssocGrpSubmitJobsLimit" in output, output
    [job] = workflow.jobs()
    assert job["State"] == "COMPLETED" and f"gres/gpu:{H100}=1" in job["AllocTRES"].split(",")
    assert len(workflow.features()) == 2


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
