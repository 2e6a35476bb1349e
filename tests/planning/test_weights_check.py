"""Weights are checked before anything is decoded, and once."""

import pytest
import torch

from i3d.backbones import backbone
from i3d.errors import UserError
from i3d.planning import catalog, weights_check
from i3d.planning.catalog import Catalog
from i3d.planning.weights_check import check_weights


def test_sound_weights_pass_and_others_are_refused_in_a_sentence(tmp_path):
    state = backbone("i3d_r50").random_weights()
    torch.save(state, tmp_path / "good.pth")
    check_weights(str(tmp_path / "good.pth"), "i3d_r50")
    with pytest.raises(UserError, match="have no non-local blocks"):
        check_weights(str(tmp_path / "good.pth"), "i3d_r50_nl")
    state["conv1.weight"][0] = torch.inf
    torch.save(state, tmp_path / "inf.pth")
    with pytest.raises(UserError, match="conv1.weight has values that are not finite"):
        check_weights(str(tmp_path / "inf.pth"), "i3d_r50")


def test_a_program_that_is_killed_is_a_refusal(tmp_path, monkeypatch):
    program = tmp_path / "killed.py"
    program.write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr(weights_check, "CHECK", program)
    with pytest.raises(UserError, match="bomb.pth takes too much memory or time"):
        check_weights("bomb.pth", "i3d_r50")


def test_each_content_is_checked_once_for_each_model(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(catalog, "check_weights", lambda weights, model: asked.append((weights, model)))
    for weights, sha256, model in (
        ("a.pth", "1", "i3d_r50"),
        ("copy.pth", "1", "i3d_r50"),
        ("a.pth", "1", "i3d_r50_nl"),
        ("a.pth", "2", "i3d_r50"),
        ("random", "random", "i3d_r50"),
    ):
        known = Catalog(tmp_path / "catalog.json")
        known.check_weights(weights, sha256, model)
        known.save()
    assert asked == [("a.pth", "i3d_r50"), ("a.pth", "i3d_r50_nl"), ("a.pth", "i3d_r50")]
