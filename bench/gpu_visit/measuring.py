"""Tools of measurement that the stages and the tries share."""

import os
import time
from collections.abc import Callable

import torch

from i3d.network.engine import choose_device

DEVICE, REDUCED = os.environ.get("DEVICE", "cuda"), bool(os.environ.get("REDUCED"))
CUDA = DEVICE == "cuda"


def device() -> torch.device:
    """Where everything is computed. Raises UserError without the GPU that is asked for."""
    return choose_device(DEVICE)


def result(*words: object) -> None:
    """Print a result."""
    print("=", *words, flush=True)


def milliseconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median time of a call, from its start to the end of what it has the GPU do; the first call does not count."""
    times = []
    for _ in range(2 if REDUCED else repeats + 1):
        began = time.perf_counter()
        run()
        if CUDA:
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - began))
    return sorted(times[1:])[len(times[1:]) // 2]
