"""Ten thousand videos."""

import os
import subprocess
import sys

import pytest

from .workflow import Workflow, write_clip

pytestmark = pytest.mark.faults

VIDEOS = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("many") / "run", clips={}, bundle_frames=1000)
    clip = workflow.folder / "clip.mp4"
    write_clip(clip, 40)
    for number in range(VIDEOS):
        path = workflow.video(f"train_val/anomaly_{number // 1000}/{number}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(clip, path)
    return workflow


def plan(workflow: Workflow) -> tuple[str, float, float]:
    """A dry run's output, CPU seconds and peak memory in MB, its workers' included."""
    settings = [f"{key}={value}" for key, value in workflow.config.items()]
    code = f"""
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "snakemake", "-n", "-q", "--cores", "2", "--config", *{settings!r}])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("used", used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(done.returncode)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=workflow.folder, capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split("used ")[1].split()
    return done.stdout + done.stderr, float(seconds), float(megabytes)


def test_planning_is_done_within_a_minute_and_bounded_memory(many):
    for what in ("first plan", "next plan"):
        output, seconds, megabytes = plan(many)
        print(f"{what} of {VIDEOS} videos: {seconds:.1f} CPU seconds, {megabytes:.0f} MB")
        assert f"feature      {VIDEOS}" in " ".join(output.split()) or "10,000" in output
        assert seconds < 60
        assert megabytes < 1024
