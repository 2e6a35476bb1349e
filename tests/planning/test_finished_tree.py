"""A tree that commit f916128 finished: ten videos, two of them skipped, one damaged. Nothing of it is due."""

import shutil

import pytest

from i3d.config import complete
from i3d.planning.plan import make_plan
from tests.support.paths import ROOT

SETTINGS = {
    "videos": "videos",
    "features": "features",
    "weights": "random",
    "sample_mode": "center_crop",
    "clip_length": 8,
    "frequency": 8,
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "tests/golden/finished_tree", tmp_path, dirs_exist_ok=True, copy_function=shutil.copy)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_of_it_is_due(tree):
    plan = make_plan(complete(SETTINGS))
    assert (len(plan.present), len(plan.skipped), plan.due, plan.replaced, plan.stale) == (8, 2, [], {}, {})
    assert [record.damaged for record in plan.present.values() if record.damaged]
    assert not plan.is_due


def test_another_setting_makes_all_of_it_due(tree):
    plan = make_plan(complete(SETTINGS | {"normalization": "kinetics"}))
    assert len(plan.pending) == len(plan.replaced) == 8 and plan.is_due
