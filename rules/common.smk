"""The configuration, the paths and the plan, for all rules; the logic is in scripts/i3d.

The plan is made when it is first asked for: jobs on other nodes and `--lint` never look at the trees.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path
from signal import SIGTERM

from snakemake.logging import logger

from i3d.cluster import launch_check as launch

from i3d.planning import time_limits as resources
from i3d.planning.bundles import bundle_frames
from i3d.config import complete
from i3d.errors import UserError, told_in_one_line
from i3d.network.specs import MODELS, SAMPLE_MODES
from i3d.records.tree_lock import take_lock
from i3d.records.outcomes import Work
from i3d.planning.plan import Plan, make_plan
from i3d.cluster.snakemake_internals import handle_in_thread
from i3d.planning.overview import status_text

with told_in_one_line():
    config.update(complete(config))

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
WORK = Work.beside(config["features"])


pathvars:
    features=config["features"],
    work=str(WORK.root),


wildcard_constraints:
    bundle="[0-9a-f]{16}",
    feature=r"(?!\.i3d/).+",


@cache
def plan() -> Plan:
    """This run's plan, its files written; the main process says what it is."""
    with told_in_one_line():
        made = make_plan(config)
        made.write()
    if workflow.is_main_process:
        logger.info(status_text(made, f"all in {made.path}") + "\n")
    return made


def frames_flag(path):
    """`path` flagged as `frames` in the configuration says: a temporary file, a pipe, or a file that is kept."""
    flags = {"temp": temp, "pipe": pipe, "keep": str}
    return flags[config["frames"]](path)


def due_files(wildcards) -> list[str]:
    """All that is to be made; the catalog, which exists, when nothing is."""
    return [str(path) for path in plan().targets() or [WORK.catalog]]


def due_features(wildcards) -> list[str]:
    """The features to be made."""
    return [str(path) for path in plan().targets() if path.suffix == ".npy"]


def outcomes_of_feature(wildcards) -> str:
    """The outcomes file that the feature waits for, or that vouches for it."""
    with told_in_one_line():
        bundle = plan().bundle_of(wildcards.feature)
    return str(WORK.outcomes / f"{bundle}.jsonl")


def frames_of_bundle(wildcards) -> int:
    """Frames of video in the bundle."""
    return bundle_frames(WORK.bundles / f"{wildcards.bundle}.json")


def time_limit(wildcards, attempt) -> str:
    """The time limit of the bundle's job, for a cluster."""
    return resources.runtime(
        frames_of_bundle(wildcards),
        attempt,
        frames_per_second=config["frames_per_second"],
        longest=config["longest_job"],
    )


def plan_file(wildcards) -> str:
    """The plan, as a file."""
    return str(plan().path)


def aggregate_after_failure() -> None:
    """Write the tables when jobs have failed; nothing if the run ended before it had a plan."""
    if plan.cache_info().currsize:
        command = [sys.executable, f"{SCRIPTS}/aggregate.py", "--plan", plan().path, *keep_frames()]
        subprocess.run([*command, "--videos", config["videos"], "--features", config["features"]], check=False)


def keep_frames() -> list[str]:
    """What tells the aggregate script to leave the frame streams."""
    return ["--keep-frames"] if config["frames"] == "keep" else []


def begin_run() -> None:
    """Before the first job: ask the cluster whether it takes the jobs, and claim the features tree until the end.

    The plan is written again: another run may have ended, and tidied, after it was made.
    """
    global lock
    handle_in_thread(SIGTERM)
    with told_in_one_line():
        launch.check(workflow, longest=config["longest_job"])
        lock = take_lock(WORK.lock)
        if plan.cache_info().currsize:
            plan().write()


onstart:
    begin_run()
