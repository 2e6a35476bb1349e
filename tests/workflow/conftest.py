"""Runs whose extract jobs do not load torch each by itself."""

import pytest

from tests.support import warm_extract
from tests.support.workflow import Run


@pytest.fixture(autouse=True, scope="package")
def warm():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "programs", (warm_extract.folder(), *Run.programs))
        yield
