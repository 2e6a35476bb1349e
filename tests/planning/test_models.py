"""Planning for each network: without torch, and with a sentence where there is no such network."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from i3d.backbones.backbone import OWN
from i3d.backbones.timm_image import TimmImage
from i3d.errors import UserError
from i3d.planning import catalog
from tests.support.paths import ROOT
from tests.support.plans import make_plan
from tests.support.workflow import write_clip

TOWER = TimmImage(name="timm:any.tower", tower="any.tower", dim=384, gflop=9.0, values=0.1, licence="none")
# Plans for every model in turn and prints what each of them has to be done, then which libraries were imported.
PLAN = """if True:
    import json, sys
    from pathlib import Path
    from i3d.backbones import BACKBONES
    from i3d.config import complete
    from i3d.planning import weights_check
    from i3d.planning.plan import make_plan

    weights_check.DESCRIBE = Path("describe.py")
    found = {}
    for model in (*BACKBONES, "timm:any.tower"):
        given = {"videos": "videos", "features": "features", "weights": "random", "model": model}
        plan = make_plan(complete(given))
        found[model] = [len(plan.pending), plan.settings.normalization, plan.pricing.known.speeds.snippets_per_second]
    print(json.dumps([found, sorted({"torch", "torchvision", "timm"} & set(sys.modules))]))
"""


def test_planning_imports_neither_torch_nor_timm_for_any_model(tmp_path):
    write_clip(tmp_path / "videos/a.mp4", 17)
    (tmp_path / "describe.py").write_text(f"print({msgspec.json.encode(TOWER).decode()!r})")
    command, environment = [sys.executable, "-c", PLAN], os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    found, imported = json.loads(done.stdout)
    assert imported == []
    assert {"i3d_r50", "swin3d_t", "clip_vit_b16", "timm:any.tower"} < found.keys()
    assert all(pending == 1 for pending, *_ in found.values())
    assert all(model.startswith("i3d") != (normalization == OWN) for model, (_, normalization, _) in found.items())
    speeds = {model: speed for model, (*_, speed) in found.items()}
    assert speeds["i3d_r50"] > speeds["swin3d_t"] > speeds["swin3d_b"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "timm:vit_smal_patch14_dinov2.lvd142m"}, "did you mean timm:vit_small_patch14_dinov2.lvd142m"),
        ({"model": "swin3d"}, "invalid value 'swin3d' of 'model'; did you mean 'swin3d_"),
        ({"model": "mvit_v2_s", "clip_length": 32}, "invalid value 32 of 'clip_length'; mvit_v2_s accepts only 16"),
        ({"model": "s3d", "sample_mode": "five_crop"}, "invalid value 'five_crop' of 'sample_mode'; expected one of"),
        ({"model": "s3d", "frame_pooling": "middle"}, "'frame_pooling: middle' has no meaning for the model s3d"),
    ],
)
def test_what_a_network_cannot_take_is_said_before_any_video_is_touched(config, monkeypatch, given, words):
    monkeypatch.setattr(catalog, "video_digest", lambda path: pytest.fail("a video was read"))
    monkeypatch.setattr(catalog, "probe_many", lambda *paths, **options: pytest.fail("a video was opened"))
    with pytest.raises(UserError, match=words) as caught:
        make_plan(config | given)
    assert "\n" not in str(caught.value)
