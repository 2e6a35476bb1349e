"""All that touches Snakemake's own objects, which it may change without notice.

`tests/cluster/test_snakemake_internals.py` runs it against the pinned Snakemake and the newest one.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from i3d.errors import UserError

REFUSED = {
    "--archive": "the features' tree is its own archive; copy the features and their metadata.csv",
    "--generate-unit-tests": "the workflow's own tests are run by `make test`",
}

Hook = Callable[[], None]


def is_module(workflow: Any) -> bool:
    """Whether the Snakefile now being read is used by another one as a `module:`."""
    return not workflow.modifier.is_main_snakefile()


def module_prefix(workflow: Any) -> str:
    """What the `prefix:` of a `module:` puts before all relative paths; empty without one."""
    prefix, modifier = "", workflow.modifier.path_modifier
    while modifier is not None:
        prefix, modifier = (modifier.prefix or "") + prefix, modifier.inner_modifier
    return prefix


def add_hooks(workflow: Any, start: Hook, success: Hook, error: Hook) -> None:
    """Run these beside the `onstart`, `onsuccess` and `onerror` of the main Snakefile, which are the only ones that
    Snakemake runs. Call it when all Snakefiles have been read."""
    for name, ours in (("_onstart", start), ("_onsuccess", success), ("_onerror", error)):
        setattr(workflow, name, _both(ours, getattr(workflow, name)))


def _both(ours: Hook, theirs: Callable[[Any], None]) -> Callable[[Any], None]:
    def hook(log: Any) -> None:
        ours()
        theirs(log)

    return hook


def executes(workflow: Any) -> bool:
    """Whether this Snakemake runs jobs or, dry, lists them; not so for --dag, --summary, --report and others."""
    return workflow.executor_plugin is not None


def runs(workflow: Any) -> bool:
    """Whether this Snakemake runs jobs, not dry."""
    return executes(workflow) and not workflow.dryrun


def check_options(arguments: Collection[str] = tuple(sys.argv)) -> None:
    """Raise UserError for options of Snakemake that this workflow cannot follow."""
    for argument in arguments:
        if reason := REFUSED.get(argument.partition("=")[0]):
            raise UserError(f"{argument.partition('=')[0]} is not supported: {reason}")


def given_config(workflow: Any) -> dict[str, Any]:
    """The settings that `--configfile` and `--config` gave, without those of the Snakefile's own configuration file."""
    return dict(workflow.config_settings.overwrite_config)


def cores(workflow: Any) -> int | None:
    """How many cores this run may use; None if it was not told."""
    return workflow._cores


def runs_any_of(workflow: Any, rules: Collection[str]) -> bool:
    """Whether a job of one of these rules is about to run; a workflow that takes this one may prefix their names."""
    return any(job.rule.name.endswith(tuple(rules)) for job in workflow.dag.needrun_jobs())


def keeps_temporary_files(workflow: Any) -> bool:
    """Whether --notemp was given."""
    return workflow.storage_settings.notemp


def targets(workflow: Any) -> list[str]:
    """The rules and files that were asked for by name."""
    return sorted(workflow.dag_settings.targets)


def forced(workflow: Any, rules: Collection[str]) -> set[str] | None:
    """The files that --forcerun, --force or --forceall want made anew; None: all, as when one of `rules` is forced."""
    settings = workflow.dag_settings
    if settings.forceall or set(rules) & set(settings.forcerun):
        return None
    return {*settings.forcerun, *(settings.targets if settings.forcetargets else ())}


@dataclass(frozen=True)
class Request:
    """What one SLURM job asks for; `minutes` is its time limit, `memory_mb` and `cpus` are 0 where SLURM decides.

    `threads` is how many the job's rules will use together.
    """

    account: str = ""
    partition: str = ""
    gres: str = ""
    cpus: int = 0
    memory_mb: int = 0
    minutes: int = 0
    threads: int = 0


@dataclass(frozen=True)
class SlurmRun:
    """What a run will ask of SLURM; `jobs` at once at most, None without a limit."""

    requests: frozenset[Request]
    jobs: int | None
    job_prefix: str


@dataclass(frozen=True)
class ClusterJob:
    """What the profile asks for by default for a bundle's two rules together."""

    gres: str
    cpus: int
    memory_gb: float
    decode_threads: int


def cluster_job(workflow: Any) -> ClusterJob | None:
    """What one job gets by the profile's default resources; None where these name no GPU."""
    settings = workflow.resource_settings
    given = settings.default_resources.args if settings.default_resources else ()
    defaults = dict(text.split("=", 1) for text in given)
    if "gres" not in defaults:
        return None
    threads = {rule: getattr(count, "value", count) for rule, count in settings.overwrite_threads.items()}
    each = {name: re.match(r"\d+", defaults.get(name, "")) for name in ("cpus_per_task", "mem_mb")}
    cpus, memory_mb = (2 * int(found[0]) if found else 0 for found in each.values())
    decode_threads = int(threads.get("decode", 1))
    return ClusterJob(defaults["gres"], cpus or decode_threads + 1, memory_mb / 1024, decode_threads)


def slurm_run(workflow: Any) -> SlurmRun | None:
    """What this run will ask of SLURM; None under another executor."""
    plugin = workflow.executor_plugin
    if plugin is None or plugin.name != "slurm":
        return None
    prefix = workflow.executor_settings.jobname_prefix
    return SlurmRun(requests(workflow.dag.needrun_jobs()), workflow.resource_settings.nodes, prefix)


def requests(jobs: Iterable[Any]) -> frozenset[Request]:
    """What the SLURM jobs among Snakemake's `jobs` ask for; the members of a pipe are one job, as for the executor."""
    together: dict[Any, list[Any]] = {}
    for job in jobs:
        if not job.is_local:
            together.setdefault(job.pipe_group or id(job), []).append(job)
    return frozenset(_request(members) for members in together.values())


def _request(members: list[Any]) -> Request:
    def values(name: str) -> list[Any]:
        return [job.resources[name] for job in members if job.resources.get(name)]

    threads = sum(job.threads for job in members)
    return Request(
        account=next(iter(values("slurm_account")), ""),
        partition=next(iter(values("slurm_partition")), ""),
        gres=next(iter(values("gres")), ""),
        cpus=sum(values("cpus_per_task")) or threads,
        memory_mb=sum(values("mem_mb")),
        minutes=max(values("runtime"), default=0),
        threads=threads,
    )
