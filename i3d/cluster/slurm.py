"""Queries to SLURM's clients, and parsing their answers."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from i3d.cost.gpu_request import parse_gres
from i3d.errors import UserError

NO_CLUSTER = "DNS SRV lookup failed"  # an error of SLURM's clients without a configuration
NO_ANSWER = re.compile(
    "Unable to contact slurm controller|Socket timed out|Connection refused|Connection timed out|"
    "Zero Bytes were transmitted|temporarily unable to accept|Resource temporarily unavailable|in standby mode|"
    "Transport endpoint is not connected|Communication connection failure|Protocol authentication error"
)
SUBMIT_LIMIT = re.compile(r"\w*SubmitJob\w*|job submit limit")  # QOSMaxSubmitJobPerUserLimit and the like


def ask(*command: str, seconds: float = 60.0, needed: bool = False) -> str:
    """Return the output of a SLURM client; empty if it fails, as a silent service must not stop a run.

    Raises UserError on a machine outside any cluster, and if the answer is `needed` and SLURM does not answer now.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not here: start this profile on a login node of the cluster.") from None
    except subprocess.TimeoutExpired:
        if needed:
            raise UserError(f"SLURM does not answer now ({command[0]}: none in {seconds:.0f} s): try later.") from None
        return ""
    if NO_CLUSTER in done.stderr:
        raise UserError("SLURM is not set up on this machine: start this profile on a login node of the cluster.")
    if needed and done.returncode and NO_ANSWER.search(done.stderr):
        raise UserError(f"SLURM does not answer now ({done.stderr.strip()}): try again later.")
    return done.stdout


def is_passing(words: str) -> bool:
    """Whether a refusal by SLURM is temporary: a controller that is busy or down, a limit on jobs in the queue."""
    return bool(NO_ANSWER.search(words) or SUBMIT_LIMIT.search(words))


@dataclass(frozen=True)
class Partition:
    """A line of `sinfo`: a partition's nodes of one kind."""

    name: str
    default: bool
    minutes: int | None  # None: no limit
    gpus: frozenset[str]  # the models, such as `a100_4g.20gb`; empty for GPUs without a type


def partitions() -> list[Partition]:
    """Return the cluster's partitions, if SLURM lists any. Raises UserError if it does not answer."""
    return parse_partitions(ask("sinfo", "--noheader", "--format=%P|%l|%G", seconds=20, needed=True))


def parse_partitions(text: str) -> list[Partition]:
    """Parse `sinfo --noheader --format=%P|%l|%G`: lines like `gpu_b1*|3:00:00|gpu:a100:4(S:0-1),gpu:a100_1g.5gb:2`."""
    parsed = []
    for line in text.splitlines():
        name, limit, gres = line.strip().split("|")
        entries = re.sub(r"\([^)]*\)", "", gres).split(",")
        gpus = frozenset(request.model for entry in entries if (request := parse_gres(entry)))
        parsed.append(Partition(name.rstrip("*"), name.endswith("*"), parse_minutes(limit), gpus))
    return parsed


def gpus_of(listed: Iterable[Partition]) -> list[str]:
    """Return the models of all GPUs in these partitions, by their names in SLURM; empty for GPUs without a type."""
    return sorted(set().union(*(each.gpus for each in listed)))


def parse_minutes(limit: str) -> int | None:
    """Parse a time limit of SLURM, `7-00:00:00`, `3:00:00` or `30:00`, as whole minutes; None for `infinite`."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){1,2}", limit):
        return None
    days, _, clock = limit.rpartition("-")
    hours, minutes, _ = [0, *map(int, clock.split(":"))][-3:]
    return int(days or 0) * 24 * 60 + hours * 60 + minutes
