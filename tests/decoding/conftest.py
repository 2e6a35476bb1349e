"""Clips that several tests of decoding share."""

import pytest

from tests.support.jpegs import HardClips


@pytest.fixture(scope="session")
def hard(tmp_path_factory) -> HardClips:
    """Clips by the names in tests/support/jpegs.py, made when first asked for."""
    return HardClips(tmp_path_factory.mktemp("hard"))
