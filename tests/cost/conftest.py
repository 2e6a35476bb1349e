"""A calibration to look up."""

import msgspec
import pytest

from i3d.cost.calibration import Calibration
from tests.support.calibrations import MEASURED


@pytest.fixture
def measured() -> Calibration:
    """A self-check of a slice."""
    return MEASURED


@pytest.fixture
def changed():
    """A function that gives another calibration, with some fields changed."""
    return lambda **fields: msgspec.structs.replace(MEASURED, **fields)
