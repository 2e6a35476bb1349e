"""What an undisturbed run gives."""

import fcntl
import os
import pickle
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
    """Made by the first of pytest's workers, for all."""
    folder = tmp_path_factory.getbasetemp()
    kept = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "undisturbed"
    with kept.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END) == 0:
            pickle.dump(_run(Workflow(folder / "undisturbed_run")), file)
        file.seek(0)
        return pickle.load(file)


def _run(workflow: Workflow) -> Undisturbed:
    began = time.monotonic()
    workflow.run()
    return Undisturbed(workflow.features(), time.monotonic() - began)


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path / "run")
