"""Killed jobs and killed runs: nothing is lost, nothing wrong is left, and a plain run finishes the work."""

import contextlib
import os
import random
import signal
import time

import pytest

from tests.support.workflow import TWO_BUNDLES, Workflow, wait_until

pytestmark = pytest.mark.faults

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("extract", "decode", "snakemake and its jobs", "snakemake alone")
KILLS = 5  # in a row; every moment is tried in tests/planning/test_crashes.py
LASTING = {"catalog.json", "lock", "trees.json", "journals", "plans", "bundles", "extracted"}


def test_random_kills_in_a_row(tmp_path, undisturbed):
    """Whenever all is done, the features are removed and it starts anew."""
    workflow = Workflow(tmp_path / "run", bundle_frames=TWO_BUNDLES)
    rng = random.Random(0)
    story: list[str] = []
    while len(story) < KILLS:
        if struck := strike(workflow, undisturbed, rng):
            story.append(struck)
            print(struck)
        found = workflow.features()
        assert found.items() <= undisturbed.features.items(), f"a wrong feature after {story}"
        if found == undisturbed.features:
            check_end(workflow, undisturbed, story)
            for name in found:
                workflow.feature(name).unlink()
    check_end(workflow, undisturbed, story)
    assert "Nothing to be done" in workflow.run("-n"), story


def strike(workflow: Workflow, undisturbed, rng: random.Random) -> str:
    """Start a run and send a signal to part of it at a random moment; "" if it was over by then."""
    victim, number, moment = rng.choice(VICTIMS), rng.choice(SIGNALS), rng.random()
    run = workflow.start()
    if victim in ("extract", "decode"):
        wait_until(lambda: workflow.processes(victim), lambda: run.going)
        time.sleep(moment * undisturbed.seconds / 3)
        pids = workflow.processes(victim)
    else:
        wait_until(lambda: False, lambda: run.going and not run.older_than(moment * undisturbed.seconds))
        pids = [run.process.pid] if run.going else []
    if pids and victim == "snakemake and its jobs":
        run.signal_all(number)
    else:
        for pid in pids:
            send(pid, number)
    code, output = run.end()
    assert "rerun-incomplete" not in output, output
    assert "Traceback" not in output or number == signal.SIGINT, output
    if pids and victim.startswith("snakemake") and number == signal.SIGKILL:
        workflow.unlock()
    return f"{number.name} to {victim} at {moment:.2f}, exit {code}" if pids else ""


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def check_end(workflow: Workflow, undisturbed, story: list[str]) -> None:
    """After one plain run all is as if nothing had happened."""
    wait_until(lambda: not workflow.orphans())
    workflow.run()
    assert workflow.features() == undisturbed.features, story
    assert workflow.work_files() == LASTING, story
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}, story
