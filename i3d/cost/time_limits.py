"""The time limit of a SLURM job, which depends on its bundle; everything else is in the cluster's profile."""

import math

START_MINUTES = 10  # queue a step, start Snakemake twice, import torch, load weights from a cold disk: 1 to 5 measured
MARGIN = 1.5  # for a slow node or a busy file system
SHORTEST_MINUTES = 60  # Narval wants jobs of an hour; SLURM backfills short ones more easily


def runtime(frames: int, attempt: int, *, frames_per_second: float, longest: int) -> str:
    """Return the time limit of a job over `frames` frames for Snakemake, such as `"90m"`.

    The estimate (frames at `frames_per_second`, a margin, the start) doubles at the second attempt, triples at the
    third, and is never below an hour nor above `longest` minutes. It has a unit because some versions read bare numbers
    in a profile as seconds.
    """
    estimate = START_MINUTES + MARGIN * frames / frames_per_second / 60
    return f"{min(max(math.ceil(estimate), SHORTEST_MINUTES) * attempt, longest)}m"
