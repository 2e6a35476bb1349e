"""What a job asks of SLURM that depends on its bundle: the time limit.

Memory, CPUs and the GPU slice are the same for every job and stand in the cluster's profile.
"""

import math

START_MINUTES = 10  # queue a step, start Snakemake twice, import torch, load the weights from a cold disk: 1 to 5 seen
MARGIN = 1.5  # a slow node, a busy file system
SHORTEST_MINUTES = 60  # Narval asks that jobs last an hour; SLURM backfills short ones more easily


def runtime(frames: int, attempt: int, *, frames_per_second: float, longest: int) -> str:
    """The time limit of a job over `frames` frames, as Snakemake reads it, such as `"90m"`.

    The estimate (frames at `frames_per_second`, a margin, the start) doubles at the second attempt, triples at the
    third, and is never below an hour nor above `longest` minutes. A string with a unit on purpose: bare numbers in a
    profile were taken for seconds in some versions.
    """
    estimate = START_MINUTES + MARGIN * frames / frames_per_second / 60
    return f"{min(max(math.ceil(estimate), SHORTEST_MINUTES) * attempt, longest)}m"
