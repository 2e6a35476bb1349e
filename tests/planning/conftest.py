"""Fixtures for the tests of planning."""

from tests.support.plans import config  # noqa: F401
