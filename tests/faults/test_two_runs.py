"""Two runs at once."""

import pytest

from tests.support.workflow import Workflow, wait_until

pytestmark = pytest.mark.faults


def test_on_the_same_tree_the_second_is_refused(workflow, undisturbed):
    run = workflow.start()
    assert wait_until(lambda: workflow.processes("decode"), lambda: run.going)
    output = workflow.run(ok=False)
    assert "Directory cannot be locked" in output or "locked by" in output
    workflow.run("-n")  # looking is always allowed
    assert run.end()[0] == 0
    assert workflow.features() == undisturbed.features


def test_from_two_copies_of_the_workflow_the_second_is_refused(workflow, tmp_path, undisturbed):
    """Another user's copy, on another subset of the same trees: it knows nothing of the first one's Snakemake."""
    trees = {"videos": workflow.video(""), "features": workflow.feature("")}
    other = Workflow(tmp_path / "other", clips={}, **trees)
    run = workflow.start(subsets="[test]")
    assert wait_until(lambda: workflow.processes("decode"), lambda: run.going)
    output = other.run(ok=False, subsets="[train_val]")
    assert "is locked by " in output
    assert f"process {run.process.pid}" in output
    assert "Traceback" not in output
    assert run.end()[0] == 0
    assert other.run(subsets="[train_val]")
    assert workflow.features() == undisturbed.features
    assert {row["status"] for row in workflow.metadata().values()} == {"ok"}
