"""Settings that suit what was measured."""

import math
from collections.abc import Sequence

from i3d.cost.calibration import DecodeSpeed, NetworkSpeed, Recommendation
from i3d.cost.speeds import with_processes
from i3d.selfcheck.throughput import smallest_good_batch

CLUSTER_SECONDS = 3600  # of work that one job should hold
START_SHARE = 0.05  # of a local bundle's time that starting its jobs may take
LOCAL_FRAMES = (1_000, 20_000)  # at least and at most in a local bundle: its frames lie on disk, 0.26 MB each


def recommend(
    network: Sequence[NetworkSpeed],
    decoding: Sequence[DecodeSpeed],
    *,
    frequency: int,
    cpus: int,
    on_gpu: bool,
    cluster: bool,
    start_seconds: float,
) -> Recommendation:
    """The fastest precision, the smallest batch that is nearly as fast as any, and what keeps it fed.

    `network` holds precisions that passed. On a GPU one CPU is left to the network's process, the others decode.
    """
    fastest = max(network, key=lambda speed: speed.snippets_per_second)
    best = smallest_good_batch([speed for speed in network if speed.precision == fastest.precision])
    extract_threads = 1 if on_gpu else cpus
    decode_processes = max(1, cpus - 1) if on_gpu else cpus
    rates = [best.snippets_per_second * frequency]
    rates += [speed.frames_per_second for speed in with_processes(decoding, decode_processes)]
    together = min(rates) if on_gpu else 1 / sum(1 / rate for rate in rates)
    frames = together * CLUSTER_SECONDS if cluster else together * start_seconds / START_SHARE
    if not cluster:
        frames = min(max(frames, LOCAL_FRAMES[0]), LOCAL_FRAMES[1])
    return Recommendation(best.precision, best.batch_size, decode_processes, extract_threads, _two_digits(frames))


def _two_digits(value: float) -> int:
    """Rounded down to two significant digits: a setting for people to read."""
    unit = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(value // unit * unit)
