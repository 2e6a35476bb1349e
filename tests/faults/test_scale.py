"""Two thousand videos: planned in bounded memory, before, during and after. `make bench` times it."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from i3d.records import journal
from i3d.records.bundles import read_bundle
from i3d.records.record import OK, VideoRecord
from tests.support.workflow import Workflow, wait_until, write_clip

pytestmark = pytest.mark.faults

VIDEOS = 2_000
MEGABYTES = 250  # that a plan may take
PLAN = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "snakemake", "-n", "-q", "--cores", "2", "--config", *sys.argv[1:]])
print("used", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(done.returncode)
"""


def plan(workflow: Workflow, what: str) -> str:
    """A dry run's output, once its memory, the probing workers' included, is found small enough."""
    command = [sys.executable, "-c", PLAN, *(f"{key}={value}" for key, value in workflow.config.items())]
    done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    megabytes = float(done.stdout.split("used ")[1])
    print(f"{what}: {megabytes:.0f} MB")
    assert megabytes < MEGABYTES
    return done.stdout + done.stderr


def finish(workflow: Workflow) -> None:
    """Leave what a run of all bundles leaves: features in place, and journals."""
    for path in (workflow.work / "bundles").glob("*.json"):
        bundle = read_bundle(path)
        records = []
        for entry in bundle.videos:
            feature = workflow.feature(entry.feature)
            feature.parent.mkdir(parents=True, exist_ok=True)
            feature.write_bytes(b"features")
            records.append(
                VideoRecord(
                    video=entry.video,
                    feature_file=entry.feature,
                    status=OK,
                    digest=entry.digest,
                    fingerprint=bundle.fingerprint,
                    bundle=bundle.name,
                    finished="2026",
                    seconds=1.0,
                    snippets=1,
                    feature_size=8,
                    feature_sha256=hashlib.sha256(b"features").hexdigest(),
                )
            )
        journal.append(workflow.work / "journals" / f"{path.stem}.jsonl", records)


def test_planning_thousands_of_videos(tmp_path):
    workflow = Workflow(tmp_path / "run", clips={}, bundle_frames=4_000)
    clip = workflow.folder / "clip.mp4"
    write_clip(clip, 40)
    for number in range(VIDEOS):
        path = workflow.video(f"train_val/anomaly_{number // 1000}/{number}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(clip, path)

    assert f"{VIDEOS:,} to extract" in plan(workflow, "first plan")
    catalog = (workflow.work / "catalog.json").stat().st_mtime_ns
    run = workflow.start()
    wait_until(lambda: workflow.processes("decode"), lambda: run.going)
    run.signal_all(signal.SIGKILL)
    run.end()
    workflow.unlock()
    assert f"{VIDEOS:,} to extract" in plan(workflow, "plan after a kill")
    assert (workflow.work / "catalog.json").stat().st_mtime_ns == catalog, "nothing was probed again"

    finish(workflow)
    assert f"{VIDEOS:,} present, 0 to extract" in plan(workflow, "plan of a finished tree")
    assert len(json.loads((workflow.work / "catalog.json").read_text())["features"]) == VIDEOS
    workflow.run()
    assert "Nothing to be done" in plan(workflow, "plan with nothing to do")
    assert len(workflow.metadata()) == VIDEOS
