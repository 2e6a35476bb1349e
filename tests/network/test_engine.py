"""The engine around the network: devices, batches, short memory."""

import logging
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from i3d.backbones import backbone
from i3d.errors import UserError
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.engine import Engine, choose_device, is_short_of_memory, recorded_name
from i3d.settings import NumericSettings


@pytest.fixture(scope="module")
def engine() -> Engine:
    settings = NumericSettings(sample_mode="center_crop")
    return Engine(settings, backbone("i3d_r50").random_weights(), torch.device("cpu"), batch_size=20)


def numbered(snippets: torch.Tensor) -> torch.Tensor:
    """In the network's place: each snippet's first pixel, as all its features."""
    return snippets[:, 0, 0, 0, 0].float()[:, None, None].expand(-1, 1, 2048)


def batch(count: int) -> torch.Tensor:
    snippets = torch.zeros((count, 8, *FRAME_SHAPE), dtype=torch.uint8)
    snippets[:, 0, 0, 0, 0] = torch.arange(count)
    return snippets


SHORT = [  # what torch, cuDNN and cuBLAS have been seen to say
    torch.cuda.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4.75 GiB"
    ),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR\nYou can try to repro this exception"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError(
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input."
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("short", SHORT)
def test_short_gpu_memory_halves_the_batch_and_loses_nothing(engine, monkeypatch, caplog, short):
    sizes = []

    def forward(snippets):
        sizes.append(len(snippets))
        if len(snippets) > 3:
            raise short
        return numbered(snippets)

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 13)
    with caplog.at_level(logging.WARNING):
        features = engine.launch(batch(13)).collect()
    assert sizes == [13, 6, 3, 3, 3, 3, 1]
    assert features[:, 0, 0].tolist() == list(range(13))
    assert "continuing with batches of 3 snippets" in caplog.text


@pytest.mark.parametrize("short", SHORT)
def test_memory_for_less_than_a_snippet_is_told(engine, monkeypatch, short):
    def forward(snippets):
        raise short

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 4)
    with pytest.raises(UserError, match="does not hold one snippet") as told:
        engine.launch(batch(4))
    assert str(short).splitlines()[0] in str(told.value)
    assert "\n" not in str(told.value)


def test_a_librarys_error_with_much_memory_free_is_no_shortness(engine, monkeypatch):
    error = RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR")
    monkeypatch.setattr(engine, "_forward", Mock(side_effect=error))
    monkeypatch.setattr(engine, "batch_size", 4)
    monkeypatch.setattr("i3d.network.engine.free_share", lambda device: 0.9)
    with pytest.raises(RuntimeError, match="CUDNN_STATUS_INTERNAL_ERROR"):
        engine.launch(batch(4))
    assert engine.batch_size == 4
    assert is_short_of_memory(RuntimeError("CUDA error: out of memory"), free=0.9)


def test_other_errors_are_no_shortness_of_memory(engine, monkeypatch):
    def forward(snippets):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 4)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        engine.launch(batch(4))
    assert engine.batch_size == 4


def test_memory_that_ends_while_copying_halves_the_batch_too(engine, monkeypatch):
    sizes = []
    padded = engine._padded

    def copied(part):
        sizes.append(len(part))
        if len(part) > 2:
            raise torch.cuda.OutOfMemoryError
        return padded(part)

    monkeypatch.setattr(engine, "_padded", copied)
    monkeypatch.setattr(engine, "_forward", numbered)
    monkeypatch.setattr(engine, "batch_size", 5)
    assert engine.launch(batch(5)).collect()[:, 0, 0].tolist() == list(range(5))
    assert sizes == [5, 2, 2, 1]


def test_on_a_gpu_all_passes_have_one_shape(engine, monkeypatch):
    shapes = set()

    def forward(snippets):
        shapes.add(snippets.shape)
        assert not snippets[-1].any()
        return numbered(snippets)

    monkeypatch.setattr(engine, "_forward", forward)
    monkeypatch.setattr(engine, "batch_size", 4)
    monkeypatch.setattr(engine, "one_shape", True)
    for count in (1, 3):
        assert engine.launch(batch(count)).collect()[:, 0, 0].tolist() == list(range(count))
    assert shapes == {(4, 8, *FRAME_SHAPE)}


def test_waiting_for_a_gpu_leaves_the_cpu_to_others(engine, monkeypatch):
    """Stand-ins for CUDA: streams that do nothing, an event that notes how it was made, memory that is not pinned."""
    made = []
    stream = SimpleNamespace(wait_stream=lambda other: None, record_event=lambda event: event)
    empty = torch.empty
    monkeypatch.setattr(engine, "_copies", stream)
    monkeypatch.setattr(engine, "_to_device", lambda part: part)
    monkeypatch.setattr(engine, "_forward", numbered)
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory, **options: empty(*shape, **options))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(
        torch.cuda, "Event", lambda **options: made.append(options) or SimpleNamespace(synchronize=lambda: None)
    )
    assert engine.launch(batch(1)).collect()[:, 0, 0].tolist() == [0]
    assert made == [{"blocking": True}]


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


def test_an_absent_gpu_is_told_with_torchs_reason(monkeypatch):
    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12040).\nPlease update")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(
        UserError, match=r"^device: cuda is set, but torch sees no GPU here \(The NVIDIA .* 12040\).\);"
    ):
        choose_device("cuda")
    assert recorded_name(torch.device("cpu")) == "cpu"
