"""The configuration, the paths and the plan, for all rules; the logic is in i3d.

The plan is made when it is first asked for: jobs on other nodes and `--lint` never look at the trees.
"""

import json
import os
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from snakemake.logging import logger

from i3d import commands, process
from i3d.cluster import cluster_run, snakemake_internals
from i3d.cluster.slurm import gpus_of, partitions
from i3d.config import as_dict, beyond_defaults, complete
from i3d.errors import UserError, exit_on_user_error
from i3d.exports.places import check_places
from i3d.files import share_with_group
from i3d.cost import time_limits
from i3d.cost.gpu_request import read_request
from i3d.paths import check_encoding, workflow_folder
from i3d.records.bundles import read_bundle
from i3d.planning.overview import status_text
from i3d.settings import RANDOM
from i3d.backbones import BACKBONES, i3d_r50, kind
from i3d.planning.plan import Plan, make_plan
from i3d.planning.permissions import check_working_folder, check_writable, may_write
from i3d.cost.prices import Machine
from i3d.cost.prices_in_words import DECODE_THREADS
from i3d.records.work_folder import WorkFolder
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import foreign_tables
from i3d.run_hooks import EXTRACTION_RULES, RunHooks

NAMING = snakemake_internals.naming(workflow)
commands.remember(sys.argv[1:], NAMING)

with exit_on_user_error():
    check_encoding()
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
if {"{", "}"} & set(str(SCRIPTS)):
    sys.exit(f"error: {SCRIPTS}: Snakemake misreads a {{ or }} in the path of the workflow; rename that folder")
FEATURES = Path(SETTINGS.features)
WORK = WorkFolder.beside(FEATURES)
REPORT = WORK.root / "report" if may_write(WORK) else Path(PREFIX, "i3d_report")
# Published weights by the name of their file, with the model that they are of.
PUBLISHED = {Path(model.published_file).name: name for name, model in BACKBONES.items()}
if SETTINGS.model not in BACKBONES:
    PUBLISHED[Path(kind(SETTINGS.model).default_weights(SETTINGS.model)).name] = SETTINGS.model
IS_MODULE = snakemake_internals.is_module(workflow)
FORCING = [NAMING.replace("*", rule) for rule in EXTRACTION_RULES]  # rules that make all features anew when forced
if not IS_MODULE:
    process.take_no_modules_from_here()
    if workflow.is_main_process and (
        profile := snakemake_internals.foreign_profile(workflow, SCRIPTS.parent / "profiles/default")
    ):
        logger.warning(
            f"options, and code if it holds any, were taken from {profile}, which is not the workflow's; "
            "`--workflow-profile none` leaves it out"
        )

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
        snakemake_internals.add_hooks(workflow, HOOKS.begin, HOOKS.end, HOOKS.end_failed)
    with exit_on_user_error():
        snakemake_internals.check_settings(workflow)
        if SETTINGS.frames == "pipe" and cores() < 2:
            raise UserError("frames: through a pipe both stages run at once; use --cores 2 or more, or `frames: temp`")
        if workflow.is_main_process and snakemake_internals.executes(workflow) and may_write(WORK):
            if not workflow.dryrun:
                HOOKS.claim_tree()
            cluster_run.wait_for_jobs(workflow, WORK, logger.warning)
        if snakemake_internals.deletes_output() and FEATURES.exists():
            check_writable(WORK)
            HOOKS.claim_tree()
        HOOKS.looked_at_trees = True
        made = make_plan(SETTINGS, again=wanted_again(), only=wanted_alone(), machine=machine())
        if made.is_due and snakemake_internals.runs(workflow):
            check_writable(WORK, made.replaced.values())
        if may_write(WORK) and (made.is_due and snakemake_internals.executes(workflow) or not made.path.exists()):
            made.write(names=snakemake_internals.runs(workflow))
    if workflow.is_main_process and snakemake_internals.executes(workflow):
        logger.info(status_text(made, f"all in {made.path}") + "\n")
        if made.problem is not None:
            with exit_on_user_error():
                raise made.problem
    return made


def machine() -> Machine:
    """Where the jobs will run: what the profile asks a cluster for, or this machine."""
    job = snakemake_internals.cluster_job(workflow)
    if job is None:
        given = snakemake_internals.cores(workflow)
        return Machine.here() if given is None else Machine(cpus=given)
    return replace(job, offered=offered_gpus())


def offered_gpus() -> tuple[str, ...] | None:
    """The GPUs that this machine's cluster lists; None on a machine of no cluster."""
    try:
        return tuple(gpus_of(partitions())) or None
    except UserError:
        return None


def wanted_again() -> set[str] | None:
    """Features to make anew although they are present, by their path under the features tree; None: all."""
    forced = snakemake_internals.forced(workflow, FORCING)
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

    Features are not named here: aggregate removes the placeholders of videos that turned out to have none.
    Nothing in a tree that only others may write: there the plan that is shown is all.
    """
    made = plan()
    if not may_write(WORK):
        return []
    if made.is_due or not snakemake_internals.executes(workflow):
        return [in_rules(FEATURES / METADATA), in_rules(FEATURES / SUMMARY)]
    return [in_rules(made.path)]


def due_features(wildcards) -> list[str]:
    """The features to be made; the present ones, too, when they are to be shown, or deleted, rather than made.

    Files of others in the place of features are not deleted.
    """
    made = plan()
    videos = made.due if snakemake_internals.executes(workflow) else sorted([*made.present, *made.due])
    features = [made.videos[video].file.feature for video in videos]
    foreign = made.strangers if snakemake_internals.deletes_output() else []
    return [f"{in_rules(FEATURES)}/{feature}" for feature in features if feature not in foreign]


def extraction_of_feature(wildcards) -> list[str]:
    """The mark of the feature's extracted bundle; nothing for a feature that only has to be moved."""
    with exit_on_user_error():
        if snakemake_internals.deletes_output() and wildcards.feature in plan().strangers:
            raise UserError(f"{FEATURES / wildcards.feature}: not written by this workflow; move it away first")
        bundle = plan().bundle_of(wildcards.feature)
    return [in_rules(WORK.extracted / bundle)] if bundle else []


def decode_threads(wildcards) -> int:
    """Threads of decode; through a pipe both stages run at once and share the cores."""
    return DECODE_THREADS if SETTINGS.frames != "pipe" else max(1, min(DECODE_THREADS, cores() // 2))


def extract_threads(wildcards) -> int:
    """Threads of extract: on a CPU all cores there are, with a GPU one or two do."""
    most = 64
    return most if SETTINGS.frames != "pipe" else max(1, min(most, cores() - decode_threads(wildcards)))


def cores() -> int:
    """The cores of this run."""
    return snakemake_internals.cores(workflow) or 2


def time_limit(wildcards, attempt) -> str:
    """The time limit of the bundle's job, for a cluster; the plan is the main process's, which submits the job."""
    bundle = WORK.bundle(wildcards.bundle)
    return time_limits.runtime(
        read_bundle(bundle).weight if bundle.exists() else 0,
        attempt,
        seconds=plan().seconds_of(wildcards.bundle) if workflow.is_main_process else 0.0,
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
    if missing := [path for path in needed if not os.path.exists(path)]:  # Path.exists raises in a closed folder
        return f"{missing[0]} is not here"
    return None if may_write(WORK) else f"{FEATURES} is not yours to write"


def settings(*keys):
    """A function for `params:` that gives these settings, or all, as far as they are not the defaults, in JSON."""

    def as_text(wildcards) -> str:
        return json.dumps(beyond_defaults(SETTINGS, *keys))

    return as_text


def gres_of_job(wildcards, resources) -> str:
    """The GPU that the job asks for, such as `gpu:a100_4g.20gb:1`; empty without a cluster."""
    request = read_request(resources)
    return request.gres if request else ""


def plan_file(wildcards) -> str:
    """The plan, as a file. Raises UserError where tables of others would be deleted."""
    with exit_on_user_error():
        if snakemake_internals.deletes_output() and (foreign := foreign_tables(FEATURES)):
            raise UserError(f"{foreign[0]}: not written by this workflow; move it away first")
    return in_rules(plan().path)


KEEP_FRAMES = SETTINGS.frames == "keep" or snakemake_internals.keeps_temporary_files(workflow)
AGGREGATE_OPTIONS = ["--keep-frames"] if KEEP_FRAMES else []
HOOKS = RunHooks(
    workflow,
    SETTINGS,
    WORK,
    plan,
    scripts=SCRIPTS,
    logs=Path(PREFIX, "logs"),
    aggregate_options=AGGREGATE_OPTIONS,
    log=logger,
)
