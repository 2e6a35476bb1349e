"""Clips, and a calibration, that several tests share."""

from pathlib import Path

import hypothesis
import msgspec
import pytest

from i3d.cost.calibration import Calibration
from tests.support.calibrations import MEASURED
from tests.support.clips import Clips, make_undecodable

hypothesis.settings.register_profile("patient", deadline=None)  # machines that run tests are busy
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Clips:
    """Clips by the names in tests/support/clips.py, made when first asked for."""
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def undecodable(clips, tmp_path_factory) -> dict[str, Path]:
    """Files that hold no video, by what the reason must say."""
    return make_undecodable(tmp_path_factory.mktemp("undecodable"), clips["plain.mp4"])


@pytest.fixture
def measured() -> Calibration:
    """A self-check of a slice."""
    return MEASURED


@pytest.fixture
def changed():
    """A function that gives another calibration, with some fields changed."""
    return lambda **fields: msgspec.structs.replace(MEASURED, **fields)
