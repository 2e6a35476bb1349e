"""The network's speed, and what happens when memory is short: simulated by a network that runs out of it."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from i3d.cost.calibration import NetworkSpeed
from i3d.errors import UserError
from i3d.frame_stream import FRAME_SHAPE
from i3d.selfcheck import throughput

from .conftest import engine_in

SNIPPET = np.random.default_rng(0).integers(0, 256, (16, *FRAME_SHAPE), np.uint8)


@pytest.fixture(scope="module")
def engine():
    return engine_in("fp32", "center_crop")


@contextmanager
def room_for(engine, snippets, spoil=1.0):
    """The network as it is on a GPU that holds so many snippets at once; it may compute something else then."""
    forward = engine._forward

    def short(batch):
        if len(batch) > snippets:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(batch) * spoil

    engine._forward = short
    try:
        yield
    finally:
        engine._forward = forward


def test_speed_is_measured_over_full_batches(engine, monkeypatch):
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(throughput.time, "monotonic", lambda: float(next(clock)))
    engine.batch_size = 1
    speed = throughput.measure(engine, SNIPPET, "fp32", seconds=2.0)
    # The clock ticks half a second at every look. First batch: 0.5 s. Then two batches without a look, one for each of
    # three looks until 2 s are up at the fourth, and the one still on its way: 6 batches, 2.5 s.
    assert speed == NetworkSpeed("fp32", 1, pytest.approx(6 / 2.5), pytest.approx(0.5 - 2.5 / 6), None)


def test_halving_is_provoked_and_gives_the_same_features(engine):
    engine.batch_size = 4
    halved, verdict = throughput.check_halving(engine, SNIPPET, "fp32", room_for(engine, 1))
    assert halved == 1
    assert verdict.passed and verdict.error < 1e-6


def test_features_that_change_with_the_batch_are_caught(engine):
    engine.batch_size = 2
    halved, verdict = throughput.check_halving(engine, SNIPPET, "fp32", room_for(engine, 1, spoil=1.001))
    assert halved == 1
    assert not verdict.passed and verdict.error == pytest.approx(1e-3, rel=1e-2)


def test_a_shortage_that_is_none_shows_nothing(engine):
    engine.batch_size = 2
    with pytest.raises(UserError, match="batches of 2 snippets did not run out of memory"):
        throughput.check_halving(engine, SNIPPET, "fp32", room_for(engine, 2))


def test_memory_too_small_for_one_snippet_is_told(engine):
    engine.batch_size = 2
    with pytest.raises(UserError, match="does not hold one snippet"):
        throughput.check_halving(engine, SNIPPET, "fp32", room_for(engine, 0))


def test_the_limit_on_a_gpus_memory_is_lifted_whatever_happens(monkeypatch):
    """The calls that torch must get; no GPU is needed to see them."""
    limits = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: type("Gpu", (), {"total_memory": 20 * 2**30})
    )
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)
    with pytest.raises(RuntimeError), throughput.gpu_memory_limit(5 * 1024):
        raise RuntimeError
    assert limits == [0.25, 1.0]


def test_the_smallest_batch_that_is_nearly_as_fast_is_good_enough():
    speeds = [NetworkSpeed("bf16", size, rate, 0.0, None) for size, rate in ((5, 80), (10, 97.5), (20, 100), (40, 99))]
    assert throughput.smallest_good_batch(speeds).batch_size == 10
