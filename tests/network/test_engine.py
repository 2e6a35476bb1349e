"""The engine around the network: devices, batches, short memory."""

import logging

import numpy as np
import pytest
import torch

from i3d.errors import UserError
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.engine import Engine, choose_device, device_name
from i3d.network.model import build_model, expected_shapes
from i3d.network.weights import random_state_dict


@pytest.fixture(scope="module")
def engine() -> Engine:
    model = build_model("i3d_r50", random_state_dict(expected_shapes("i3d_r50")))
    options = {"normalization": "inception", "sample_mode": "center_crop", "precision": "fp32", "batch_size": 20}
    return Engine(model, torch.device("cpu"), **options)


def numbered(snippets: torch.Tensor) -> torch.Tensor:
    """In the network's place: each snippet's first pixel, as all its features."""
    return snippets[:, 0, 0, 0, 0].float()[:, None, None].expand(-1, 1, 2048)


def batch(count: int) -> torch.Tensor:
    snippets = torch.zeros((count, 8, *FRAME_SHAPE), dtype=torch.uint8)
    snippets[:, 0, 0, 0, 0] = torch.arange(count)
    return snippets


def test_short_gpu_memory_halves_the_batch_and_loses_nothing(engine, monkeypatch, caplog):
    sizes = []

    def forward(snippets):
        sizes.append(len(snippets))
        if len(snippets) > 3:
            raise torch.cuda.OutOfMemoryError
        return numbered(snippets)

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 13)
    with caplog.at_level(logging.WARNING):
        features = engine.launch(batch(13)).collect()
    assert sizes == [13, 6, 3, 3, 3, 3, 1]
    assert features[:, 0, 0].tolist() == list(range(13))
    assert "going on with batches of 3 snippets" in caplog.text


def test_memory_for_less_than_a_snippet_is_told(engine, monkeypatch):
    def forward(snippets):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 4)
    with pytest.raises(UserError, match="does not hold one snippet; ask for a larger slice"):
        engine.launch(batch(4))


def test_a_snippets_features_do_not_depend_on_its_batch(engine):
    generator = torch.Generator().manual_seed(3)
    snippets = torch.randint(0, 256, (3, 16, *FRAME_SHAPE), dtype=torch.uint8, generator=generator)
    together = engine.launch(snippets).collect()
    alone = np.concatenate([engine.launch(snippet[None]).collect() for snippet in snippets])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_buffers_are_for_whole_snippets(engine):
    assert engine.buffer(2, 16).shape == (2, 16, 256, 340, 3)


@pytest.mark.parametrize(
    ("asked", "gpu", "given"), [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu")]
)
def test_devices(monkeypatch, asked, gpu, given):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert choose_device(asked).type == given


def test_an_absent_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: cuda is set, but torch sees no GPU"):
        choose_device("cuda")
    assert device_name(torch.device("cpu")) == "cpu"
