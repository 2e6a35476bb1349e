"""The configuration, the paths and the plan, for all rules; the logic is in scripts/i3d.

The plan is made when it is first asked for. Jobs on other nodes, `--lint` and `--list` never look at the trees.
"""

import subprocess
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from scripts.i3d.bundles import bundle_frames
from scripts.i3d.config import complete
from scripts.i3d.errors import UserError
from scripts.i3d.lock import take_lock
from scripts.i3d.outcomes import Work
from scripts.i3d.plan import Plan, make_plan

try:
    config.update(complete(config))
except UserError as error:
    raise WorkflowError(str(error)) from None

WORK = Work.beside(config["features"])


pathvars:
    features=config["features"],
    work=str(WORK.root),


wildcard_constraints:
    bundle="[0-9a-f]{16}",
    feature=r"(?!\.i3d/).+",


@cache
def plan() -> Plan:
    """This run's plan, its files written."""
    try:
        made = make_plan(config)
        made.write()
    except UserError as error:
        raise WorkflowError(str(error)) from None
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
    try:
        bundle = plan().bundle_of(wildcards.feature)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return str(WORK.outcomes / f"{bundle}.jsonl")


def frames_of_bundle(wildcards) -> int:
    """Frames of video in the bundle."""
    return bundle_frames(WORK.bundles / f"{wildcards.bundle}.json")


def plan_file(wildcards) -> str:
    """The plan, as a file."""
    return str(plan().path)


def aggregate_after_failure() -> None:
    """Write the tables when jobs have failed; nothing if the run ended before it had a plan."""
    if plan.cache_info().currsize:
        command = ["python", "scripts/aggregate.py", "--plan", plan().path, *keep_frames()]
        subprocess.run([*command, "--videos", config["videos"], "--features", config["features"]], check=False)


def keep_frames() -> list[str]:
    """What tells the aggregate script to leave the frame streams."""
    return ["--keep-frames"] if config["frames"] == "keep" else []


def begin_run() -> None:
    """Claim the features tree until this process ends, before the first job starts.

    The plan is written again: another run may have ended, and tidied, after it was made.
    """
    global lock
    try:
        lock = take_lock(WORK.lock)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if plan.cache_info().currsize:
        plan().write()


onstart:
    begin_run()
