"""The configuration, the paths and the plan, for all rules; the logic is in i3d.

The plan is made when it is first asked for: jobs on other nodes and `--lint` never look at the trees.
"""

import atexit
import json
import os
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.logging import logger

from i3d import commands, process
from i3d.cluster import cluster_run, snakemake_internals
from i3d.cluster.slurm import gpus_of, partitions
from i3d.command_line import remember
from i3d.config import as_dict, beyond_defaults, complete
from i3d.errors import UserError, errors_in_logs, exit_on_user_error
from i3d.exports.places import check_places
from i3d.files import remove_empty, share_with_group
from i3d.cost import time_limits
from i3d.cost.gpu_request import read_request
from i3d.paths import workflow_folder
from i3d.records.bundles import read_bundle
from i3d.planning.overview import status_text
from i3d.settings import RANDOM
from i3d.backbones import BACKBONES, i3d_r50, kind
from i3d.progress import run as progress
from i3d.progress.ending import Ending
from i3d.records.tree_lock import take_lock
from i3d.planning.plan import Plan, make_plan
from i3d.planning.sharing import check_working_folder, check_writable, may_write
from i3d.cost.prices import Machine
from i3d.records.work_folder import WorkFolder
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import runs_since

commands.remember(sys.argv[1:])

with exit_on_user_error():
    PREFIX = snakemake_internals.module_prefix(workflow)
    SETTINGS = complete(config, PREFIX)
    config.update(as_dict(SETTINGS))
    check_places(SETTINGS)
    if workflow.is_main_process:
        check_working_folder(Path.cwd())
    snakemake_internals.check_options()
    cluster_run.keep_account()

process.collect_no_garbage()

SCRIPTS = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent / "scripts"
if not SCRIPTS.exists():  # the rules come from an address
    SCRIPTS = workflow_folder("scripts")
FEATURES = Path(SETTINGS.features)
WORK = WorkFolder.beside(FEATURES)
REPORT = WORK.root / "report" if may_write(WORK) else Path(PREFIX, "i3d_report")
# Published weights by the name of their file, with the model that they are of.
PUBLISHED = {Path(model.published_file).name: name for name, model in BACKBONES.items()}
if SETTINGS.model not in BACKBONES:
    PUBLISHED[Path(kind(SETTINGS.model).default_weights(SETTINGS.model)).name] = SETTINGS.model
EXTRACTION_RULES = ("decode", "extract", "feature")
IS_MODULE = snakemake_internals.is_module(workflow)
if not IS_MODULE:
    process.take_no_modules_from_here()
    if workflow.is_main_process and (
        profile := snakemake_internals.foreign_profile(workflow, SCRIPTS.parent / "profiles/default")
    ):
        logger.warning(
            f"options, and code if it holds any, were taken from {profile}, which is not the workflow's; "
            "`--workflow-profile none` leaves it out"
        )
STARTED = time.time()

share_with_group(FEATURES)


def in_rules(path) -> str:
    """A path as rules write it: Snakemake puts a module's prefix before their relative paths by itself."""
    return str(path).removeprefix(PREFIX)


pathvars:
    features=in_rules(FEATURES),
    work=in_rules(WORK.root),
    report=in_rules(REPORT),


wildcard_constraints:
    bundle="[0-9a-f]{16}",
    feature=r"(?!\.i3d/).+\.npy",  # with its suffix: Snakemake refuses names that end in many equal characters


@cache
def plan() -> Plan:
    """This run's plan, its files written; the main process says what it is."""
    if IS_MODULE:
        snakemake_internals.add_hooks(workflow, begin_run, end_run, end_failed_run)
    with exit_on_user_error():
        if SETTINGS.frames == "pipe" and cores() < 2:
            raise UserError("frames: through a pipe both stages run at once; use --cores 2 or more, or `frames: temp`")
        if workflow.is_main_process and snakemake_internals.executes(workflow) and may_write(WORK):
            if not workflow.dryrun:
                hold_tree()
            cluster_run.wait_for_jobs(workflow, WORK, logger.warning)
        made = make_plan(SETTINGS, again=wanted_again(), only=wanted_alone(), machine=machine())
        if made.is_due and snakemake_internals.runs(workflow):
            check_writable(WORK, made.replaced.values())
        if may_write(WORK) and (made.is_due and snakemake_internals.executes(workflow) or not made.path.exists()):
            made.write()
    if workflow.is_main_process and snakemake_internals.executes(workflow):
        logger.info(status_text(made, f"all in {made.path}") + "\n")
        if made.problem is not None:
            with exit_on_user_error():
                raise made.problem
    return made


@cache
def hold_tree():
    """Claim the features tree for this run, until its process ends."""
    return take_lock(WORK.lock)


def machine() -> Machine:
    """Where the jobs will run: what the profile asks a cluster for, or this machine."""
    job = snakemake_internals.cluster_job(workflow)
    if job is None:
        return Machine(cpus=cores())
    return Machine(job.gpu.gres, job.cpus, job.memory_gb, job.decode_threads, offered_gpus())


def offered_gpus() -> tuple[str, ...] | None:
    """The GPUs that this machine's cluster lists; None on a machine of no cluster."""
    try:
        return tuple(gpus_of(partitions())) or None
    except UserError:
        return None


def wanted_again() -> set[str] | None:
    """Features to make anew although they are present, by their path under the features tree; None: all."""
    forced = snakemake_internals.forced(workflow, EXTRACTION_RULES)
    return None if forced is None else features_among(forced)


def wanted_alone() -> set[str]:
    """Features that were asked for by name, if nothing else was."""
    asked = snakemake_internals.targets(workflow)
    features = features_among(asked)
    return features if len(features) == len(asked) else set()


def features_among(targets) -> set[str]:
    """The features among targets, by their path under the features tree."""
    paths = (Path(target) for target in targets)
    return {
        str(path.relative_to(FEATURES)) for path in paths if path.is_relative_to(FEATURES) and path.suffix == ".npy"
    }


def frames_flag(path):
    """`path` flagged as `frames` in the configuration says: a temporary file, a pipe, or a file that is kept."""
    flags = {"temp": temp, "pipe": pipe, "keep": str}
    return flags[SETTINGS.frames](path)


def due_files(wildcards) -> list[str]:
    """The tables, which wait for every feature that is to be made; the plan, which exists, when nothing is due.

    Features are not named here: aggregate removes the stand-ins for those that turned out not to be.
    Nothing in a tree that only others may write: there the plan that is shown is all.
    """
    made = plan()
    if not may_write(WORK):
        return []
    if made.is_due or not snakemake_internals.executes(workflow):
        return [in_rules(FEATURES / METADATA), in_rules(FEATURES / SUMMARY)]
    return [in_rules(made.path)]


def due_features(wildcards) -> list[str]:
    """The features to be made."""
    if not snakemake_internals.executes(workflow):
        return all_features()
    return [in_rules(FEATURES / plan().videos[video].file.feature) for video in plan().due]


def all_features() -> list[str]:
    """The features that are there and those that are to be made."""
    videos = sorted([*plan().present, *plan().due])
    return [in_rules(FEATURES / plan().videos[video].file.feature) for video in videos]


def extraction_of_feature(wildcards) -> list[str]:
    """What tells that the feature's bundle is extracted; nothing for a feature that only has to be moved."""
    with exit_on_user_error():
        bundle = plan().bundle_of(wildcards.feature)
    return [in_rules(WORK.extracted / bundle)] if bundle else []


def decode_threads(wildcards) -> int:
    """Threads of decode; through a pipe both stages run at once and share the cores."""
    most = 4
    return most if SETTINGS.frames != "pipe" else max(1, min(most, cores() // 2))


def extract_threads(wildcards) -> int:
    """Threads of extract: on a CPU all cores there are, with a GPU one or two do."""
    most = 64
    return most if SETTINGS.frames != "pipe" else max(1, min(most, cores() - decode_threads(wildcards)))


def cores() -> int:
    """The cores of this run."""
    return snakemake_internals.cores(workflow) or 2


def time_limit(wildcards, attempt) -> str:
    """The time limit of the bundle's job, for a cluster."""
    bundle = WORK.bundle(wildcards.bundle)
    return time_limits.runtime(
        read_bundle(bundle).weight if bundle.exists() else 0,
        attempt,
        frames_per_second=SETTINGS.frames_per_second,
        longest=SETTINGS.longest_job,
    )


def published_weights(wildcards) -> str:
    """The published file of a model."""
    return BACKBONES[wildcards.model].published_file


def weights_to_make(wildcards) -> list[str]:
    """The weights of the configured model; nothing where such a file is there already, whoever made it."""
    weights = kind(SETTINGS.model).default_weights(SETTINGS.model)
    if not Path(PREFIX, weights).exists():
        return [weights]
    logger.info(f"{weights} is there already; to fetch the published weights, move it away")
    return []


def table_to_show(wildcards) -> list[str]:
    """The metadata table, when the graph is to be shown rather than run, so that it begins with decode.

    As an input to a run it would start all that is due.
    """
    return [] if snakemake_internals.executes(workflow) else [in_rules(FEATURES / METADATA)]


def tables_if_due(wildcards) -> list[str]:
    """The tables, for exports, if they or any features are due; nothing where no feature can be made.

    Features that only failed last time are left for a plain run: what is there can be exported. Raises UserError when
    features in place would be replaced by those of other settings, as after a forgotten `--config`.
    """
    table = FEATURES / METADATA
    if not snakemake_internals.executes(workflow):
        return [in_rules(table)]
    if table.exists() and (reason := why_not_extracted()):
        logger.info(f"{reason}; exports are made from {table} as it is")
        return []
    with exit_on_user_error():
        plan().refuse_replacing()
    if table.exists() and plan().only_failures_are_due:
        return []
    return [in_rules(table)] if plan().is_due else []


def why_not_extracted() -> str | None:
    """Why no feature can be made here, if so: features may have been copied from elsewhere, or be another's."""
    needed = [SETTINGS.videos, *([SETTINGS.weights] if SETTINGS.weights != RANDOM else [])]
    if missing := [path for path in needed if not Path(path).exists()]:
        return f"{missing[0]} is not here"
    return None if may_write(WORK) else f"{FEATURES} is not yours to write"


def settings(*keys):
    """A function for `params:` that gives these settings, or all, as far as they are not the defaults."""

    def as_text(wildcards) -> str:
        return json.dumps(beyond_defaults(SETTINGS, *keys))

    return as_text


def gres_of_job(wildcards, resources) -> str:
    """The GPU that the job asks for, such as `gpu:a100_4g.20gb:1`; empty without a cluster."""
    request = read_request(resources)
    return request.gres if request else ""


def plan_file(wildcards) -> str:
    """The plan, as a file."""
    return in_rules(plan().path)


def aggregate_options() -> list[str]:
    """What tells the aggregate script to leave the frame streams."""
    keep = SETTINGS.frames == "keep" or snakemake_internals.keeps_temporary_files(workflow)
    return ["--keep-frames"] if keep else []


def begin_run() -> None:
    """Before the first job: ask the cluster whether it takes the jobs, and claim the features tree until the end.

    The plan is written again: another run may have ended, and tidied, after it was made.
    """
    global slurm_jobs, runs_before, makes_features
    process.collect_garbage()
    process.take_stop_signals()
    # Unlike a run of exports or of the report alone, which may be of somebody else's features.
    makes_features = snakemake_internals.runs_any_of(workflow, (*EXTRACTION_RULES, "aggregate"))
    with exit_on_user_error():
        if makes_features or snakemake_internals.runs_any_of(workflow, ("orphaned",)):
            check_writable(WORK)
            hold_tree()
        slurm_jobs = cluster_run.ClusterRun(workflow, SETTINGS, WORK, logger)
        slurm_jobs.check()
        runs_before = len(runs_since(FEATURES))
        if makes_features and plan().is_due:
            plan().write()
            plan().set_strangers_aside()
            plan().stage_moved()
            remember(snakemake_internals.given_config(workflow))
            progress.begin_run(WORK.progress, plan().bundles)
            watch = os.path.relpath(SCRIPTS / "watch.py")
            logger.info(
                f"`python {watch}` shows this run in another terminal", extra={"i3d_progress": str(WORK.progress)}
            )
        slurm_jobs.attend(writes=makes_features)


def end_run() -> None:
    """After a run that succeeded: write the tables if it was asked for features alone, and say how it ended."""
    clear_up()
    if makes_features:
        if plan().due and not runs_since(FEATURES, runs_before):
            write_tables()
        logger.info(
            Ending(FEATURES, STARTED, runs_before, whole=not process.was_stopped()).text, extra={"i3d_ending": True}
        )


def end_failed_run() -> None:
    """After a run with failures: no rule runs any more, so write the tables here, and have the last word."""
    clear_up()
    lines = errors_in_logs(Path(PREFIX, "logs"), STARTED)
    if makes_features:
        write_tables()
        ending = Ending(FEATURES, STARTED, runs_before, stopped=process.was_stopped())
        logger.info(ending.text, extra={"i3d_ending": True})
        lines += ending.errors
    atexit.register(print, *lines, sep="\n", file=sys.stderr)


def clear_up() -> None:
    """After the last job: leave no empty logs behind, nor a mark of jobs that have ended."""
    slurm_jobs.end()
    for stage in EXTRACTION_RULES:
        remove_empty(Path(PREFIX, "logs", stage))


def write_tables() -> None:
    """Do the aggregate rule's work."""
    command = [sys.executable, SCRIPTS / "aggregate.py", "--plan", plan().path, *aggregate_options()]
    command += ["--videos", SETTINGS.videos, "--features", SETTINGS.features]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
