"""What an undisturbed run gives."""

import time
from dataclasses import dataclass

import pytest

from tests.support.workflow import Workflow


@dataclass(frozen=True)
class Undisturbed:
    """A run's features, and how many seconds it took."""

    features: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Undisturbed:
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed") / "run")
    began = time.monotonic()
    workflow.run()
    return Undisturbed(workflow.features(), time.monotonic() - began)


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path / "run")
