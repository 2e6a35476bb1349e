"""The launch check: does this cluster accept the jobs about to be submitted?

Before the first job, the main process asks SLURM about the account, the GPU, the partition's time limit and the number
of jobs, and last runs `sbatch --test-only` with the very call that the executor will make. Otherwise such problems
would show up as jobs that fail one after another, or wait for ever.
"""

import getpass
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from i3d.cluster.slurm import NO_ANSWER, SUBMIT_LIMIT, Partition, ask, gpus_of, partitions
from i3d.cluster.slurm_executor import Submission, submission
from i3d.cluster.snakemake_internals import Request, SlurmRun
from i3d.cost.devices import Offer, device, main_name
from i3d.cost.work import assumed
from i3d.errors import UserError
from i3d.settings import NumericSettings

PROFILE_FILE = "the profile's config.yaml"
ACCOUNT_VARIABLE = "I3D_ACCOUNT"  # Snakemake deletes variables SLURM_... where it runs in a job itself
ANCESTORS = 5  # of an account, whose limits apply as well


def check(run: SlurmRun, longest: int, lent: Mapping[str, Offer]) -> None:
    """Ask SLURM whether it would accept the jobs of this run.

    `longest` is the time limit in minutes that no job exceeds, at any attempt; `lent` has the cluster's charges for its
    GPUs, where known. Raises UserError, saying what to change.
    """
    if not run.requests:
        return
    listed = partitions()
    accounts = _own_accounts()
    for request in run.requests:
        _check_threads(request)
        _check_account(request.account, accounts)
        _check_gpu(request, gpus_of(listed), lent)
        call = submission(run.executor, request.job)
        _check_time(call, longest, listed)
        check_jobs(run.jobs, limits_of(call))
        check_with_controller(call, longest)


def _check_threads(request: Request) -> None:
    """Raise UserError if a job's rules use more threads together than the job has CPUs: Snakemake would refuse it."""
    if request.cpus < request.threads:
        raise UserError(
            f"A job asks for {request.cpus} CPUs and its rules use {request.threads} threads: lower set-threads, or "
            f"raise cpus_per_task in {PROFILE_FILE}."
        )


def _own_accounts() -> list[str]:
    """Return the accounts that SLURM lists for this user, if any, in lower case as SLURM stores them."""
    user = getpass.getuser()
    names = ask("sacctmgr", "-n", "-P", "show", "associations", "where", f"user={user}", "format=account")
    names = names or ask("sshare", "-U", "-hPo", "account")
    return sorted({line.strip().lower() for line in names.splitlines()})


def _check_account(account: str, names: list[str]) -> None:
    """Raise UserError unless `account` is one of the user's `names`, where SLURM lists any."""
    yours = f"yours are {', '.join(names)}" if names else "ask your group for its name"
    if "$" in account:
        raise UserError(
            f"No SLURM account is set: `export {ACCOUNT_VARIABLE}=NAME` in this shell and in ~/.bashrc, or write NAME "
            f"as slurm_account in {PROFILE_FILE} ({yours})."
        )
    if account and names and account.lower() not in names:
        raise UserError(
            f"The SLURM account {account!r} is not one of yours: set {ACCOUNT_VARIABLE}, or slurm_account in "
            f"{PROFILE_FILE}, to one that is ({yours}; for GPU work, the one ending in _gpu if there is one)."
        )


def _check_gpu(request: Request, offered: list[str], lent: Mapping[str, Offer]) -> None:
    """Raise UserError, naming the line to change, unless the GPU is one, among those `offered` by `sinfo`."""
    gpu = request.gpu
    if gpu is not None:
        gpu.refuse_several()
    if gpu is None or not offered or not gpu.model or gpu.device in map(main_name, offered):
        return
    named = [name for name in offered if name]  # the others are of no type
    nearest = _nearest_gpu(gpu.model, named)
    note = ""
    if nearest:
        offers = [lent[name] for name in (main_name(nearest), gpu.device) if name in lent]
        rgu = [f"{offer.charged(request.cpus, request.memory_mb / 1024):.3g}" for offer in offers]
        price = f", charged as {' RGU instead of '.join(rgu)} RGU" if rgu else ""
        note = f", the nearest that it has{price}"
    instead = "gpu:1" if nearest is None and named != offered else f"gpu:{nearest or 'TYPE'}:1"
    has = named + (["GPUs without a type"] if named != offered else [])
    raise UserError(
        f'This cluster does not offer the GPU {gpu.model!r}: write `gres: "{instead}"` in {PROFILE_FILE}{note} '
        f"(it has {', '.join(has)})."
    )


def _nearest_gpu(model: str, offered: Iterable[str]) -> str | None:
    """Return the offered GPU with the nearest computed speed; None if `model` or all of them are in no table."""
    rates = {
        name: assumed(known, NumericSettings(precision="bf16")).snippets_per_second
        for name in (model, *offered)
        if (known := device(name)) is not None
    }
    wanted = rates.pop(model, None)
    if wanted is None:
        return None
    return min(rates, key=lambda name: max(rates[name] / wanted, wanted / rates[name]), default=None)


def _check_time(call: Submission, longest: int, listed: list[Partition]) -> None:
    """Raise UserError if the time limit exceeds the partition's: SLURM would let the job wait for ever."""
    name = call.value("-p", "--partition")
    taken = [each for each in listed if (each.name == name if name else each.default)]
    limits = [each.minutes for each in taken if each.minutes is not None]
    if not limits or longest <= max(limits):
        return
    fitting = {each.name for each in listed if each.minutes is None or each.minutes >= longest}
    raise UserError(
        f"Jobs may ask for {longest} minutes, but the partition {taken[0].name} ends at {max(limits)}: lower "
        f"longest_job, or set slurm_partition in {PROFILE_FILE} ({', '.join(sorted(fitting)) or 'none fits'})."
    )


@dataclass(frozen=True)
class Limit:
    """How many jobs one of SLURM's limits allows in the queue, and how many are there."""

    jobs: int
    queued: int
    whose: str  # such as "account def-ours_gpu"


def limits_of(call: Submission) -> Iterator[Limit]:
    """Yield the limits on submitted jobs set by the account of a call, its ancestors, the user and the QOS."""
    user, account = getpass.getuser(), call.value("-A", "--account")
    query = ["sacctmgr", "--noheader", "--parsable2", "show"]
    fields = "format=account,user,parentname,maxsubmit,grpsubmit,defaultqos"

    def associations(*where: str) -> list[list[str]]:
        answer = ask(*query, "associations", "where", *where, fields)
        return [line.split("|") for line in answer.splitlines() if line.count("|") == 5]

    own = next((row for row in associations(f"user={user}") if row[0] == account.lower() or not account), None)
    if own is None:
        return
    yield from _limits(own[3:5], f"you under the account {own[0]}", "--me", f"--account={own[0]}")
    name = own[0]
    for _ in range(ANCESTORS):
        row = next((row for row in associations(f"account={name}", "user=") if not row[1]), None)
        if row is None:
            break
        yield from _limits([row[4]], f"the account {name}", f"--account={name}")
        if not (name := row[2]):
            break
    qos = call.value("--qos", "-q") or own[5] or "normal"
    for line in ask(*query, "qos", "format=name,maxsubmitpu,maxsubmitpa,grpsubmit").splitlines():
        kind, per_user, per_account, of_all = line.split("|")
        if kind == qos:
            yield from _limits([per_user], f"each user of the QOS {qos}", "--me", f"--qos={qos}")
            yield from _limits([per_account], f"each account of the QOS {qos}", f"--account={own[0]}", f"--qos={qos}")
            yield from _limits([of_all], f"the QOS {qos}", f"--qos={qos}")


def _limits(numbers: Iterable[str], whose: str, *filters: str) -> Iterator[Limit]:
    """Yield the smallest of these numbers, if any, with the jobs that `squeue` finds by these filters."""
    known = [int(number) for number in numbers if number.isdigit()]
    if known:
        queued = len(ask("squeue", "--noheader", "--array", "--format=%i", *filters).splitlines())
        yield Limit(min(known), queued, whose)


def check_jobs(jobs: int | None, limits: Iterable[Limit]) -> None:
    """Raise UserError if `jobs` at once, beside those in the queue, are more than one of the limits."""
    for limit in limits:
        if not limit.jobs:
            raise UserError(f"SLURM lets {limit.whose} have no jobs at all: ask your cluster's support.")
        room = max(limit.jobs - limit.queued, 1)  # the first job waits for room, if need be
        if jobs is None or jobs > room:
            raise UserError(
                f"{jobs or 'Unlimited'} jobs at once, beside {limit.queued} in the queue, are more than the "
                f"{limit.jobs} that {limit.whose} may have there: set `jobs` in the profile to {room} or less."
            )


def check_with_controller(call: Submission, minutes: int) -> None:
    """Raise UserError, with the controller's words, if it would refuse this call with this time limit."""
    command = ["sbatch", "--test-only", *call.words, f"--time={minutes}", "--wrap=true"]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return
    words = done.stderr.strip()
    if SUBMIT_LIMIT.search(words):  # temporary, as `check_jobs` has found
        return
    if NO_ANSWER.search(words):
        raise UserError(f"SLURM does not answer now ({words}): try again later.")
    raise UserError(f"SLURM would refuse these jobs ({words}); tried `{shlex.join(command)}`. Change {PROFILE_FILE}.")
