"""All access to Snakemake's internal objects, which may change without notice.

`tests/cluster/test_snakemake_internals.py` runs it against the pinned Snakemake and the newest one.
"""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3d.cost.gpu_request import GpuRequest, request_of_members
from i3d.cost.prices import Machine
from i3d.errors import UserError

REFUSED = {
    "--archive": "the features' tree is its own archive; copy the features and their metadata.csv",
    "--generate-unit-tests": "the workflow's own tests are run by `make test`",
    "--export-cwl": "this Snakemake writes no such file, and runs the workflow instead",
}

OURS = {"decode", "extract", "feature", "aggregate"}  # rules whose outputs are no plain files

Hook = Callable[[], None]


def is_module(workflow: Any) -> bool:
    """Whether the Snakefile being read is used by another one as a `module:`."""
    return not workflow.modifier.is_main_snakefile()


def module_prefix(workflow: Any) -> str:
    """Return the prefix that a `module:` puts before all relative paths, `data/` also for `./data`; empty without."""
    prefix, modifier = "", workflow.modifier.path_modifier
    while modifier is not None:
        prefix, modifier = (modifier.prefix or "") + prefix, modifier.inner_modifier
    folder = os.path.normpath(prefix)
    return "" if folder == "." else f"{folder}/"


def naming(workflow: Any) -> str:
    """Return what the rules of the Snakefile being read are called in the workflow: `*`, or as a module `i3d_*`."""
    pattern = workflow.modifier.modify_rulename("*")
    return pattern if "*" in pattern else "*"  # a single rule, under another name


def add_hooks(workflow: Any, start: Hook, success: Hook, error: Hook) -> None:
    """Run these before the main Snakefile's `onstart` and so on, once all Snakefiles have been read."""
    for name, ours in (("_onstart", start), ("_onsuccess", success), ("_onerror", error)):
        setattr(workflow, name, _both(ours, getattr(workflow, name)))


def _both(ours: Hook, theirs: Callable[[Any], None]) -> Callable[[Any], None]:
    def hook(log: Any) -> None:
        ours()
        theirs(log)

    return hook


def executes(workflow: Any) -> bool:
    """Whether this Snakemake runs jobs or, in a dry run, lists them, unlike --dag, --summary, --report and others."""
    return workflow.executor_plugin is not None


def runs(workflow: Any) -> bool:
    """Whether this Snakemake really runs jobs."""
    return executes(workflow) and not workflow.dryrun


def check_options(arguments: Collection[str] = tuple(sys.argv)) -> None:
    """Raise UserError for options of Snakemake, in full or cut short, that this workflow does not support."""
    for argument in arguments:
        given = argument.partition("=")[0]
        for option, reason in REFUSED.items():
            if option.startswith(given) and len(given) > len("--a"):
                raise UserError(f"{option} is not supported: {reason}")


def check_settings(workflow: Any) -> None:
    """Raise UserError for options, from the command line or a profile, that would lose files or fail half-way."""
    storage, execution = workflow.storage_settings, workflow.execution_settings
    for option, is_set, reason in (
        ("--all-temp", storage.all_temp, "it would delete the features; frames are temporary without it"),
        ("--omit-flags", storage.omit_flags, "features would be deleted before the new ones are there; see --notemp"),
        ("--no-hooks", execution and execution.no_hooks, "files of others would not be moved out of the way first"),
        ("--cache", OURS & {*(workflow.workflow_settings.cache or ())}, "features are known by their content anyway"),
    ):
        if is_set:
            raise UserError(f"{option} is not supported: {reason}")


def deletes_output(arguments: Collection[str] = tuple(sys.argv)) -> bool:
    """Whether Snakemake is asked to delete what it made."""
    return any(argument.startswith(("--delete-a", "--delete-t")) for argument in arguments)


def works_elsewhere(workflow: Any) -> bool:
    """Whether the run works in another folder than where it was started, as by `--directory`."""
    return workflow.overwrite_workdir is not None


def foreign_profile(workflow: Any, own: Path, arguments: Sequence[str] = tuple(sys.argv)) -> Path | None:
    """Return the default profile of the folder where Snakemake was started, if it is not the workflow's `own`.

    None also if a profile was requested, or if the folder's own Snakefile runs.
    """
    named = any(argument.partition("=")[0] == "--workflow-profile" for argument in arguments)
    # With --directory, only the shell still knows where that was.
    start = os.environ.get("PWD", "") if works_elsewhere(workflow) else workflow.workdir_init
    found = Path(start, "profiles/default")
    expected = (own, Path(workflow.main_snakefile).parent / "profiles/default")
    if named or not found.exists() or any(each.exists() and found.samefile(each) for each in expected):
        return None
    return found


def given_config(workflow: Any) -> dict[str, Any]:
    """Return the settings from `--configfile` and `--config`, without those of the Snakefile's own file."""
    return dict(workflow.config_settings.overwrite_config)


def is_locked(workflow: Any) -> bool:
    """Whether another Snakemake holds a lock on this folder, which will end this one once its jobs are known."""
    return workflow.execution_settings.lock and any(workflow.persistence._read_locks())


def cores(workflow: Any) -> int | None:
    """Return how many cores this run may use; None if not set."""
    return workflow._cores


def runs_any_of(workflow: Any, rules: Collection[str]) -> bool:
    """Whether a job of one of these rules is about to run, not just to touch files. A module may prefix their names."""
    return not workflow.touch and any(job.rule.name.endswith(tuple(rules)) for job in workflow.dag.needrun_jobs())


def keeps_temporary_files(workflow: Any) -> bool:
    """Whether --notemp was given."""
    return workflow.storage_settings.notemp


def targets(workflow: Any) -> list[str]:
    """Return the requested rules and files."""
    return sorted(workflow.dag_settings.targets)


def forced(workflow: Any, rules: Collection[str]) -> set[str] | None:
    """Return the files that --forcerun, --force or --forceall select; None: all, as when one of `rules` is forced."""
    settings = workflow.dag_settings
    if settings.forceall or set(rules) & set(settings.forcerun):
        return None
    return {*settings.forcerun, *(settings.targets if settings.forcetargets else ())}


@dataclass(frozen=True)
class Request:
    """The resources of a SLURM job."""

    account: str = ""
    gpu: GpuRequest | None = None
    cpus: int = 0
    memory_mb: int = 0  # 0: SLURM decides
    threads: int = 0  # of its rules together
    others: tuple[tuple[str, Any], ...] = ()  # all other resources but the time limit
    job: Any = field(default=None, compare=False)  # one of Snakemake's jobs with these resources


@dataclass(frozen=True)
class SlurmRun:
    """The kinds of jobs that a run will submit to SLURM."""

    executor: Any
    requests: frozenset[Request]
    jobs: int | None  # at once at most; None: no limit


def cluster_job(workflow: Any) -> Machine | None:
    """Return the profile's resources for a bundle's two rules together; None if they include no GPU.

    Raises UserError for several GPUs.
    """
    settings = workflow.resource_settings
    defaults = _written(settings._parsed_default_resources)
    own = [defaults | _written(settings._parsed_overwrite_resources.get(rule, {})) for rule in ("decode", "extract")]
    request = request_of_members(own)
    if request is None:
        return None
    request.refuse_several()
    threads = {rule: getattr(count, "value", count) for rule, count in settings.overwrite_threads.items()}
    decode_threads = int(threads.get("decode", 1))
    cpus, memory_mb = (sum(_number(each.get(name)) for each in own) for name in ("cpus_per_task", "mem_mb"))
    return Machine(request.gres, cpus or decode_threads + 1, memory_mb / 1024, decode_threads)


def _written(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return resources as written in the profile, before Snakemake evaluates them for a job."""
    return {name: resource.raw for name, resource in resources.items()}


def _number(text: Any) -> int:
    """Return the number at the beginning of an expression like `20480 * attempt`."""
    digits = re.match(r"\d+", str(text or ""))
    return int(digits[0]) if digits else 0


def slurm_run(workflow: Any) -> SlurmRun | None:
    """Return what this run will submit to SLURM; None under another executor."""
    plugin = workflow.executor_plugin
    if plugin is None or plugin.name != "slurm":
        return None
    groups = (workflow.dag.get_job_group(job) or job for job in workflow.dag.needrun_jobs() if not job.is_local)
    return SlurmRun(workflow.scheduler._executor, requests(groups), workflow.resource_settings.nodes)


def status_seconds(workflow: Any) -> float:
    """Return the profile's interval for checking the states of SLURM jobs, in seconds."""
    return float(getattr(workflow.executor_settings, "init_seconds_before_status_checks", None) or 40)


def requests(jobs: Iterable[Any]) -> frozenset[Request]:
    """Return the resources of these jobs and groups of jobs, each kind once."""
    return frozenset(_request(job) for job in dict.fromkeys(jobs))


def _request(job: Any) -> Request:
    resources = job.resources
    others = {name: value for name, value in resources.items() if name not in _EVERY_JOBS_OWN}
    return Request(
        account=resources.get("slurm_account") or "",
        gpu=request_of(job),
        cpus=resources.get("cpus_per_task") or job.threads,
        memory_mb=resources.get("mem_mb") or 0,
        threads=sum(member.threads for member in members(job)),
        others=tuple(sorted((name, value) for name, value in others.items() if value is not None)),
        job=job,
    )


_EVERY_JOBS_OWN = {"runtime", "tmpdir", "slurm_account", "gres", "gpu", "gpu_model", "cpus_per_task", "mem_mb"}


def members(job: Any) -> list[Any]:
    """Return the jobs of a group, extract before decode, or the job itself."""
    return sorted(job.jobs, key=lambda each: each.rule.name, reverse=True) if job.is_group() else [job]


def bundle_of(job: Any) -> str:
    """Return the name of the bundle of a job or group; empty without one."""
    return next((str(name) for each in members(job) if (name := getattr(each.wildcards, "bundle", None))), "")


def request_of(job: Any) -> GpuRequest | None:
    """Return the GPU that a job requests; the members of a group share one."""
    return request_of_members(member.resources for member in members(job))
