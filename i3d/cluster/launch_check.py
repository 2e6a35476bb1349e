"""The launch check: does this cluster take the jobs about to be submitted?

It asks SLURM in the main process, before the first job: the account, the GPU, the partition's time limit, the number of
jobs, and, last, `sbatch --test-only`, the controller's own word on the very call that the executor will make. What it
finds would otherwise show up as jobs that fail one after another, or that wait for ever.
"""

import getpass
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from i3d.cluster.slurm import NO_ANSWER, SUBMIT_LIMIT, Partition, ask, gpus_of, partitions
from i3d.cluster.slurm_executor import Submission, submission
from i3d.cluster.snakemake_internals import Request, SlurmRun
from i3d.cost.devices import Offer, device, device_name
from i3d.cost.work import assumed
from i3d.errors import UserError
from i3d.settings import NumericSettings

SETTINGS = "the profile's config.yaml"
ACCOUNT_VARIABLE = "I3D_ACCOUNT"  # Snakemake deletes those that begin with SLURM_ where it runs in a job itself
ANCESTORS = 5  # of an account, whose limits count as well


def check(run: SlurmRun, longest: int, lent: Mapping[str, Offer]) -> None:
    """Ask SLURM whether it would take the jobs of this run.

    `longest` is the time limit in minutes that no job exceeds, at any attempt; `lent` is what the cluster charges for
    its GPUs, where that is known. Raises UserError, saying what to change.
    """
    if not run.requests:
        return
    listed = partitions()
    accounts = own_accounts()
    for request in run.requests:
        check_threads(request)
        check_account(request.account, accounts)
        check_gpu(request, gpus_of(listed), lent)
        call = submission(run.executor, request.job)
        check_time(call, longest, listed)
        check_jobs(run.jobs, limits_of(call))
        check_with_controller(call, longest)


def check_threads(request: Request) -> None:
    """Raise UserError if a job's rules use more threads together than the job has CPUs: Snakemake would refuse it."""
    if request.cpus < request.threads:
        raise UserError(
            f"A job asks for {request.cpus} CPUs and its rules use {request.threads} threads: lower set-threads, or "
            f"raise cpus_per_task in {SETTINGS}."
        )


def own_accounts() -> list[str]:
    """The accounts that SLURM lists for this user, in lower case as SLURM keeps them; none if it tells none."""
    user = getpass.getuser()
    names = ask("sacctmgr", "-n", "-P", "show", "associations", "where", f"user={user}", "format=account")
    names = names or ask("sshare", "-U", "-hPo", "account")
    return sorted({line.strip().lower() for line in names.splitlines()})


def check_account(account: str, names: list[str]) -> None:
    """Raise UserError unless `account` is one of the user's `names`; none at all means that SLURM told none."""
    yours = f"yours are {', '.join(names)}" if names else "ask your group for its name"
    if "$" in account:
        raise UserError(
            f"No SLURM account is set: `export {ACCOUNT_VARIABLE}=NAME` in this shell and in ~/.bashrc, or write NAME "
            f"as slurm_account in {SETTINGS} ({yours})."
        )
    if account and names and account.lower() not in names:
        raise UserError(
            f"The SLURM account {account!r} is not one of yours: set {ACCOUNT_VARIABLE}, or slurm_account in "
            f"{SETTINGS}, to one that is ({yours}; for GPU work take the one that ends in _gpu, where there is one)."
        )


def check_gpu(request: Request, offered: list[str], lent: Mapping[str, Offer]) -> None:
    """Raise UserError unless the cluster offers the GPU; it names the one line to change.

    `offered` are the GPUs that `sinfo` lists, by their names there.
    """
    gpu = request.gpu
    if gpu is None or not offered or not gpu.model or gpu.device in map(device_name, offered):
        return
    nearest = nearest_gpu(gpu.model, offered)
    note = ""
    if nearest:
        rgu = [
            lent[name].charged(request.cpus, request.memory_mb / 1024)
            for name in (device_name(nearest), gpu.device)
            if name in lent
        ]
        price = f", charged as {' RGU instead of '.join(f'{each:.3g}' for each in rgu)} RGU" if rgu else ""
        note = f", the nearest that it has{price}"
    raise UserError(
        f'This cluster does not offer the GPU {gpu.model!r}: write `gres: "gpu:{nearest or "TYPE"}:1"` in '
        f"{SETTINGS}{note} (it has {', '.join(offered)})."
    )


def nearest_gpu(model: str, offered: Iterable[str]) -> str | None:
    """The offered GPU whose computed speed is nearest; None if one of the two is in no table."""
    wanted = device(model)
    if wanted is None:
        return None

    def rate(name: str) -> float:
        found = device(name)
        assert found is not None
        return assumed(found, NumericSettings(precision="bf16")).snippets_per_second

    def distance(name: str) -> float:
        return max(rate(name) / rate(model), rate(model) / rate(name))

    return min((name for name in offered if device(name)), key=distance, default=None)


def check_time(call: Submission, longest: int, listed: list[Partition]) -> None:
    """Raise UserError if the job's partition ends before the job may: SLURM would let it wait for ever."""
    name = call.value("-p", "--partition")
    taken = [each for each in listed if (each.name == name if name else each.default)]
    limits = [each.minutes for each in taken if each.minutes is not None]
    if not limits or longest <= max(limits):
        return
    fitting = {each.name for each in listed if each.minutes is None or each.minutes >= longest}
    raise UserError(
        f"Jobs may ask for {longest} minutes, but the partition {taken[0].name} ends at {max(limits)}: lower "
        f"longest_job, or set slurm_partition in {SETTINGS} ({', '.join(sorted(fitting)) or 'none fits'})."
    )


@dataclass(frozen=True)
class Limit:
    """How many jobs may be in the queue, by one of SLURM's rules, and how many are."""

    jobs: int
    queued: int
    whose: str  # such as "account def-ours_gpu"


def limits_of(call: Submission) -> Iterator[Limit]:
    """The limits on submitted jobs that the account, its ancestors, the user and the QOS of a call set."""
    user, account = getpass.getuser(), call.value("-A", "--account")
    query = ["sacctmgr", "--noheader", "--parsable2", "show"]
    fields = "format=account,user,parentname,maxsubmit,grpsubmit,defaultqos"
    associations = ask(*query, "associations", "where", f"user={user}", fields).splitlines()
    rows = [line.split("|") for line in associations if line.count("|") == 5]
    own = next((row for row in rows if row[0] == account.lower() or not account), None)
    if own is None:
        return
    yield from _limits(own[3:5], f"you under the account {own[0]}", "--me", f"--account={own[0]}")
    name, known = own[0], 0
    while name and known < ANCESTORS:
        found = ask(*query, "associations", "where", f"account={name}", "user=", fields).splitlines()
        row = next((line.split("|") for line in found if line.count("|") == 5 and line.split("|")[1] == ""), None)
        if row is None:
            break
        yield from _limits(["", row[4]], f"the account {name}", f"--account={name}")
        name, known = row[2], known + 1
    qos = call.value("--qos", "-q") or own[5] or "normal"
    for line in ask(*query, "qos", "format=name,maxsubmitpu,maxsubmitpa,grpsubmit").splitlines():
        kind, per_user, per_account, of_all = line.split("|")
        if kind == qos:
            yield from _limits([per_user], f"each user of the QOS {qos}", "--me", f"--qos={qos}")
            yield from _limits([per_account], f"each account of the QOS {qos}", f"--account={own[0]}", f"--qos={qos}")
            yield from _limits([of_all], f"the QOS {qos}", f"--qos={qos}")


def _limits(numbers: Iterable[str], whose: str, *filters: str) -> Iterator[Limit]:
    """The smallest of these numbers, as far as there are any, with the jobs that `squeue` finds by these filters."""
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
                f"{limit.jobs} that {limit.whose} may have there: set `jobs` in the profile to {room} or "
                "less."
            )


def check_with_controller(call: Submission, minutes: int) -> None:
    """Raise UserError, with the controller's words, if it would refuse such a job with this time limit."""
    command = ["sbatch", "--test-only", *call.words, f"--time={minutes}", "--wrap=true"]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return
    words = done.stderr.strip()
    if SUBMIT_LIMIT.search(words):  # `check_jobs` found it to be one that passes
        return
    if NO_ANSWER.search(words):
        raise UserError(f"SLURM does not answer now ({words}): try again later.")
    raise UserError(f"SLURM would refuse these jobs ({words}); tried `{' '.join(command)}`. Change {SETTINGS}.")
