"""The time limits of SLURM jobs, which depend on their bundles; everything else is in the cluster's profile."""

import math

START_MINUTES = 10  # queue a step, start Snakemake twice, import torch, load weights from a cold disk: 1 to 5 measured
MARGIN = 1.5  # for a slow node or a busy file system
SHORTEST_MINUTES = 60  # Narval wants jobs of an hour; SLURM backfills short ones more easily


def runtime(frames: int, attempt: int, *, seconds: float, frames_per_second: float, longest: int) -> str:
    """Return the time limit of a job over `frames` frames for Snakemake, such as `"90m"`.

    The work is the plan's estimate of `seconds`, or frames at `frames_per_second` if that is more. The limit for it
    doubles at the second attempt, triples at the third, and is never below an hour nor above `longest` minutes. It has
    a unit because some versions read bare numbers in a profile as seconds.
    """
    minutes = minutes_for(max(seconds, frames / frames_per_second))
    return f"{min(max(minutes, SHORTEST_MINUTES) * attempt, longest)}m"


def minutes_for(seconds: float) -> int:
    """Return the time limit, in minutes, for these seconds of work: with a margin, and with the start."""
    return math.ceil(START_MINUTES + MARGIN * seconds / 60)


def seconds_within(minutes: int) -> float:
    """Return the seconds of work for which a time limit of these minutes is enough, the reverse of `minutes_for`."""
    return max(minutes - START_MINUTES, minutes / 2) * 60 / MARGIN
