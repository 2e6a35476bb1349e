"""Fixtures for the tests of results."""

from tests.support.plans import config  # noqa: F401
