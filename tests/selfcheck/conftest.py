"""The reference on an engine."""

import pytest
import torch

from i3d.network.engine import Engine
from i3d.selfcheck import reference
from i3d.settings import NumericSettings


@pytest.fixture
def engine() -> Engine:
    """The reference weights on a CPU in fp32, ten crops."""
    return engine_in("fp32")


def engine_in(precision: str, sample_mode: str = "oversample") -> Engine:
    settings = NumericSettings(sample_mode=sample_mode, precision=precision)
    return Engine(settings, reference.reference_weights("i3d_r50"), torch.device("cpu"), batch_size=1)
