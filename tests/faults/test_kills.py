"""Killed jobs and killed runs: nothing is lost, nothing wrong is left, nothing finished is done again."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .workflow import Workflow, wait_until

pytestmark = pytest.mark.faults

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("extract", "decode", "snakemake", "snakemake alone")
KILLS = int(os.environ.get("FAULTS_KILLS", "50"))
LASTING = {"catalog.json", "checksums.json", "lock", "outcomes", "plans"}


def strike(workflow: Workflow, undisturbed, rng: random.Random) -> str:
    """Start a run and send a signal to part of it at a random moment; "" if it was over by then."""
    victim, number = rng.choice(VICTIMS), rng.choice(SIGNALS)
    moment = rng.random()
    run = workflow.start()
    if victim.startswith("snakemake"):
        time.sleep(moment * undisturbed.seconds)
        pids = [run.process.pid] if run.going else []
    else:
        wait_until(lambda: workflow.processes(victim), lambda: run.going)
        time.sleep(moment * undisturbed.seconds / 5)
        pids = workflow.processes(victim)
    for pid in pids:
        if victim == "snakemake":
            run.signal_all(number)
        else:
            os.kill(pid, number)
    code, output = run.end()
    assert "Traceback" not in output or number == signal.SIGINT, output
    assert "rerun-incomplete" not in output, output
    if pids and victim.startswith("snakemake") and number == signal.SIGKILL:
        workflow.run("--unlock")
    return f"{victim} {number.name} at {moment:.2f}: {code}" if pids else ""


def strike_often(workflow: Workflow, undisturbed, seed: int, kills: int) -> list[str]:
    """Strike a tree so often; whenever all is done, it starts anew."""
    rng = random.Random(seed)
    story = []
    while len(story) < kills:
        if struck := strike(workflow, undisturbed, rng):
            story.append(struck)
        found = workflow.features()
        assert found.items() <= undisturbed.features.items(), f"a wrong feature after {story}"
        if len(found) == len(undisturbed.features):
            check_end(workflow, undisturbed, story)
            for name in list(found):
                workflow.feature(name).unlink()
    for name in list(workflow.features()):
        workflow.feature(name).unlink()
    check_end(workflow, undisturbed, story)
    return story


def check_end(workflow: Workflow, undisturbed, story: list[str]) -> None:
    """One plain run, and all is as if nothing had happened."""
    wait_until(lambda: not workflow.orphans())
    workflow.run()
    assert workflow.features() == undisturbed.features, story
    assert workflow.work_files() == LASTING, story
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}, story
    assert "Nothing to be done" in workflow.run("-n"), story


def test_random_kills_in_a_row(tmp_path, undisturbed):
    """On two trees at once, to use two cores."""
    with ThreadPoolExecutor(2) as pool:
        trees = [Workflow(tmp_path / name) for name in ("one", "two")]
        stories = [pool.submit(strike_often, tree, undisturbed, seed, KILLS // 2) for seed, tree in enumerate(trees)]
        for story in stories:
            print("\n".join(story.result()))
