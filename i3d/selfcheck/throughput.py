"""How fast the network is, in batches of several sizes, and whether it survives too little memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch

from i3d import process
from i3d.cost.calibration import NetworkSpeed
from i3d.errors import UserError
from i3d.network.engine import Engine
from i3d.selfcheck.numerics import Verdict, relative_error
from i3d.specs import PRECISIONS

BATCH_SIZES = (5, 10, 20, 40)  # snippets; on a CPU the engine takes one at a time
LARGEST_BATCH_GAIN = 0.03  # a batch is worth its memory if it is faster than a smaller one by more than this
MIB = 2**20


def measure(engine: Engine, snippet: np.ndarray, precision: str, seconds: float) -> NetworkSpeed:
    """Time full batches of a snippet, uint8 (T, 256, 340, 3), for `seconds`, and at least two of them.

    A batch is launched before the one before is collected, as in extraction. Raises UserError if memory does not hold
    a single snippet.
    """
    on_gpu = engine.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
    buffers = [full_batch(engine, snippet) for _ in range(2)]
    first = _timed(lambda: engine.launch(buffers[0]).collect())
    if on_gpu:  # trying kernels takes two to four times the memory of a pass
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    batches = 0
    pending = engine.launch(buffers[0])
    while batches < 2 or time.monotonic() - began < seconds:
        following = engine.launch(buffers[(batches + 1) % 2])
        pending.collect()
        pending = following
        batches += 1
    pending.collect()
    each = (time.monotonic() - began) / (batches + 1)
    return NetworkSpeed(
        precision=precision,
        batch_size=engine.batch_size,
        snippets_per_second=len(buffers[0]) / each,
        tuning_seconds=max(0.0, first - each),
        peak_memory_mb=torch.cuda.max_memory_reserved() / MIB if on_gpu else None,
    )


def full_batch(engine: Engine, snippet: np.ndarray) -> torch.Tensor:
    """A buffer for `engine.launch` with as many copies of a snippet, uint8 (T, 256, 340, 3), as a batch has."""
    snippets = engine.buffer(engine.batch_size, len(snippet))
    snippets.numpy()[:] = snippet
    return snippets


def smallest_good_batch(speeds: list[NetworkSpeed]) -> NetworkSpeed:
    """The smallest batch that is within 3 % of the fastest."""
    fastest = max(speed.snippets_per_second for speed in speeds)
    good = [speed for speed in speeds if speed.snippets_per_second >= (1 - LARGEST_BATCH_GAIN) * fastest]
    return min(good, key=lambda speed: speed.batch_size)


def check_halving(
    engine: Engine, snippet: np.ndarray, precision: str, shortage: AbstractContextManager[None]
) -> tuple[int, Verdict]:
    """Run a full batch, then once more within `shortage`, in which memory must not suffice for it.

    Returns the batch size that the engine went down to and how far the features differ. Raises UserError if it did not
    have to go down: then nothing has been shown.
    """
    snippets = full_batch(engine, snippet)
    expected = engine.launch(snippets).collect()
    before = engine.batch_size
    with process.silenced("i3d.network.engine"), shortage:
        found = engine.launch(snippets).collect()
    if engine.batch_size == before:
        raise UserError(f"batches of {before} snippets did not run out of memory where they should have")
    return engine.batch_size, Verdict(float(relative_error(found, expected).max()), PRECISIONS[precision].tolerance)


@contextmanager
def gpu_memory_limit(mebibytes: float) -> Iterator[None]:
    """Limit this process to this part of the GPU's memory."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory / MIB
    torch.cuda.set_per_process_memory_fraction(min(1.0, mebibytes / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
