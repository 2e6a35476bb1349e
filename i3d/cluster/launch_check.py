"""The launch check: does this cluster take the jobs about to be submitted?

It asks SLURM in the main process, before the first job: the account, the GPU slice, the partition's time limit, the
number of jobs, and, last, `sbatch --test-only`, the controller's own word. What it finds would otherwise show up as
jobs that fail one after another, or that wait for ever.
"""

import getpass
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from i3d.cluster.snakemake_internals import Request, SlurmRun
from i3d.errors import UserError

NO_CLUSTER = "DNS SRV lookup failed"  # what SLURM's clients say without a configuration
SETTINGS = "default-resources in the profile's config.yaml"


def check(run: SlurmRun, longest: int) -> None:
    """Ask SLURM whether it would take the jobs of this run.

    `longest` is the time limit in minutes that no job exceeds, at any attempt. Raises UserError, saying what to change.
    """
    wanted = {replace(request, minutes=longest) for request in run.requests}
    if not wanted:
        return
    partitions = parse_partitions(_ask("sinfo", "--noheader", "--format=%P|%l|%G"))
    limits = submit_limits()
    queue = _ask("squeue", "--me", "--noheader", "--array", "--format=%i|%j|%Z").splitlines()
    check_orphans(queue, run.job_prefix, Path.cwd())
    for request in wanted:
        check_threads(request)
        check_account(request.account, limits)
        check_slice(request.gres, partitions)
        check_time(request, partitions)
        check_jobs(run.jobs, len(queue), limits.get(request.account.lower()))
        check_with_controller(request)


def check_threads(request: Request) -> None:
    """Raise UserError if a job's rules use more threads together than the job has CPUs: Snakemake would refuse it."""
    if request.cpus < request.threads:
        raise UserError(
            f"A job asks for {request.cpus} CPUs and its rules use {request.threads} threads: lower set-threads, or "
            f"raise cpus_per_task under {SETTINGS}."
        )


@dataclass(frozen=True)
class Partition:
    """One line of `sinfo`: a partition's nodes of one kind. `minutes` is None where there is no limit."""

    name: str
    default: bool
    minutes: int | None
    slices: frozenset[str]  # of generic resources, such as `gpu:a100_4g.20gb`


def parse_partitions(text: str) -> list[Partition]:
    """Read `sinfo --noheader --format=%P|%l|%G`: lines like `gpu_b1*|3:00:00|gpu:a100:4(S:0-1),gpu:a100_1g.5gb:2`."""
    partitions = []
    for line in text.splitlines():
        name, limit, gres = line.strip().split("|")
        kinds = re.sub(r"\([^)]*\)", "", gres).split(",")
        slices = frozenset(kind.rpartition(":")[0] for kind in kinds if ":" in kind)
        partitions.append(Partition(name.rstrip("*"), name.endswith("*"), parse_minutes(limit), slices))
    return partitions


def parse_minutes(limit: str) -> int | None:
    """Whole minutes of a limit as SLURM prints it, `7-00:00:00`, `3:00:00` or `30:00`; None for `infinite`."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){1,2}", limit):
        return None
    days, _, clock = limit.rpartition("-")
    hours, minutes, _ = [0, *map(int, clock.split(":"))][-3:]
    return int(days or 0) * 24 * 60 + hours * 60 + minutes


def submit_limits() -> dict[str, int | None]:
    """The accounts that SLURM lists for this user, in lower case as SLURM keeps them, and how many jobs each may have
    submitted; None: as many as the user likes. Empty if SLURM tells none."""
    query = ["sacctmgr", "--noheader", "--parsable2", "show"]
    associations = _ask(
        *query, "associations", "where", f"user={getpass.getuser()}", "format=account,maxsubmit,defaultqos"
    )
    if not associations:
        associations = "\n".join(f"{line}||" for line in _ask("sshare", "-U", "-hPo", "account").splitlines())
    return parse_limits(associations, _ask(*query, "qos", "format=name,maxsubmitpu"))


def parse_limits(associations: str, qos: str) -> dict[str, int | None]:
    """Join `sacctmgr` listings `account,maxsubmit,defaultqos` and `name,maxsubmitpu`: the smaller limit of the two."""
    of_qos = dict(line.split("|") for line in qos.splitlines())
    limits = {}
    for line in associations.splitlines():
        account, limit, name = line.strip().split("|")
        known = [int(each) for each in (limit, of_qos.get(name or "normal", "")) if each]
        limits[account.lower()] = min(known, default=None)
    return limits


def check_account(account: str, accounts: Iterable[str]) -> None:
    """Raise UserError unless `account` is one of the user's; no `accounts` at all means that SLURM told none."""
    names = sorted(accounts)
    yours = f"yours are {', '.join(names)}" if names else "ask your group for its name"
    if "$" in account:
        raise UserError(
            f"No SLURM account is set: `export SLURM_ACCOUNT=NAME` in this shell and in ~/.bashrc, or write NAME as "
            f"slurm_account under {SETTINGS} ({yours})."
        )
    if account and names and account.lower() not in names:
        raise UserError(
            f"The SLURM account {account!r} is not one of yours: set SLURM_ACCOUNT, or slurm_account under {SETTINGS}, "
            f"to one that is ({yours}; for GPU work take the one that ends in _gpu, where there is one)."
        )


def check_slice(gres: str, partitions: list[Partition]) -> None:
    """Raise UserError unless some partition offers the generic resource `gres`, such as `gpu:a100_4g.20gb:1`."""
    kind = re.sub(r":\d+$", "", gres)
    offered = sorted(set().union(*(partition.slices for partition in partitions)))
    if gres and partitions and kind not in offered and not any(each.startswith(f"{kind}:") for each in offered):
        raise UserError(
            f"This cluster does not offer the GPU slice {gres!r}: set gres under {SETTINGS} to one it has "
            f"({', '.join(f'{each}:1' for each in offered) or 'it has none'})."
        )


def check_time(request: Request, partitions: list[Partition]) -> None:
    """Raise UserError if the job's partition ends before the job may: SLURM would let it wait for ever.

    Where none is named, Snakemake's executor asks for the default partition by name.
    """
    taken = [each for each in partitions if (each.name == request.partition if request.partition else each.default)]
    limits = [each.minutes for each in taken if each.minutes is not None]
    if not limits or request.minutes <= max(limits):
        return
    kind = re.sub(r":\d+$", "", request.gres)
    fitting = {
        each.name
        for each in partitions
        if (each.minutes is None or each.minutes >= request.minutes) and (not kind or kind in each.slices)
    }
    raise UserError(
        f"Jobs may ask for {request.minutes} minutes, but the partition {taken[0].name} ends at {max(limits)}: lower "
        f"longest_job, or set slurm_partition under {SETTINGS} ({', '.join(sorted(fitting)) or 'none fits'})."
    )


def check_orphans(queue: list[str], prefix: str, folder: Path) -> None:
    """Raise UserError if jobs that an earlier run in `folder` submitted live on: their work would be done twice.

    `queue` is `squeue --format=%i|%j|%Z`; the run's jobs have names that start with `prefix`, where one is set.
    """
    jobs = [line.strip().split("|", 2) for line in queue]
    living = [number for number, name, where in jobs if prefix and name.startswith(prefix) and where == str(folder)]
    if living:
        raise UserError(
            f"Jobs of an earlier run here are still in the queue: let them end, what they finish is kept, or "
            f"`scancel {' '.join(living)}`; then start again."
        )


def check_jobs(jobs: int | None, queued: int, limit: int | None) -> None:
    """Raise UserError if `jobs` at once, beside the user's `queued` ones, are more than the `limit` of the account."""
    if limit is not None and (jobs is None or jobs + queued > limit):
        raise UserError(
            f"{jobs} jobs at once, beside the {queued} that you have in the queue, are more than the {limit} that this "
            f"cluster lets you submit: set jobs in the profile's config.yaml to {max(limit - queued, 1)} or less."
        )


def check_with_controller(request: Request) -> None:
    """Raise UserError, with the controller's words, if it would refuse such a job."""
    command = ["sbatch", "--test-only", f"--time={request.minutes}", f"--cpus-per-task={request.cpus}"]
    command += [f"--account={request.account}"] if request.account else []
    command += [f"--partition={request.partition}"] if request.partition else []
    command += [f"--gres={request.gres}"] if request.gres else []
    command += [f"--mem={request.memory_mb}"] if request.memory_mb else []
    done = subprocess.run([*command, "--wrap=true"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"SLURM would refuse these jobs ({done.stderr.strip()}); tried `{' '.join(command)} --wrap=true`. "
            f"Change {SETTINGS}."
        )


def _ask(*command: str) -> str:
    """What a SLURM client prints; empty when it fails, because a silent service must not stop a run.

    Raises UserError on a machine that belongs to no cluster.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not here: start this profile on a login node of the cluster.") from None
    except subprocess.TimeoutExpired:
        return ""
    if NO_CLUSTER in done.stderr:
        raise UserError("SLURM is not set up on this machine: start this profile on a login node of the cluster.")
    return done.stdout
