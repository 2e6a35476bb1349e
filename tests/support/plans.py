"""A tree of made-up videos to plan for, and what jobs do with it."""

import msgspec
import numpy as np
import pytest

from i3d.config import complete
from i3d.decoding.probe import Probe
from i3d.digests import file_sha256
from i3d.planning import catalog
from i3d.planning import plan as plan_module
from i3d.planning.plan import Plan
from i3d.records import journal
from i3d.records.record import OK, as_planned

FRAMES = {"a": 40, "b": 100, "long": 5000, "short": 16, "n17": 17}
UNREADABLE = "not a video"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A tree of five videos, one of them too short and one unreadable, and a configuration for it."""
    for name in (*FRAMES, "broken"):
        path = tmp_path / "videos" / "test" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())

    def probe_many(paths, **options):
        for path in paths:
            frames = FRAMES.get(path.read_text().split()[0])
            yield path, Probe(frames, True, 25.0, 320, 240, None if frames else UNREADABLE)

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    monkeypatch.setattr(catalog, "check_weights", lambda weights, model: None)
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return {
        "videos": str(tmp_path / "videos"),
        "features": str(tmp_path / "features"),
        "weights": str(tmp_path / "weights.pth"),
        "bundle_frames": 150,
    }


def make_plan(config: dict, **more) -> Plan:
    """The plan for a configuration as a user gives it."""
    return plan_module.make_plan(complete(config), **more)


def extract(plan, video: str, status: str = "ok", reason: str | None = None, **more) -> None:
    """Do what the extract job does for one pending video: stage its feature and put it on record."""
    bundle = next(bundle for bundle in plan.bundles if bundle.name == plan.pending[video])
    entry = next(entry for entry in bundle.videos if entry.video == video)
    record = msgspec.structs.replace(
        as_planned(plan.settings),
        **{"video": video, "status": status, "reason": reason, "digest": entry.digest, "bundle": bundle.name},
        **{"fingerprint": plan.fingerprint, "tree": bundle.tree, "finished": "2026-01-01", **more},
    )
    if status == OK:
        staged = plan.work.staging / entry.feature
        staged.parent.mkdir(parents=True, exist_ok=True)
        np.save(staged, np.full((2, 10, 2048), int(entry.digest[:4], 16), np.float32))
        record.feature_file = entry.feature
        record.feature_size = staged.stat().st_size
        record.feature_sha256 = file_sha256(staged)
    journal.append(plan.work.journal(bundle.name), [record])


def move(plan, video: str) -> None:
    """Do what the feature rule does for one video."""
    feature = plan.videos[video].file.feature
    target = plan.work.features / feature
    target.parent.mkdir(parents=True, exist_ok=True)
    (plan.work.staging / feature).replace(target)


def finish(plan, video: str, status: str = "ok", reason: str | None = None, **more) -> None:
    """Do what all jobs do for one pending video."""
    extract(plan, video, status, reason, **more)
    if status == "ok":
        move(plan, video)
