"""A tree of made-up videos to plan for, and what jobs do with it."""

import numpy as np
import pytest

from i3d.config import complete
from i3d.planning import catalog
from i3d.planning.probe import Probe
from i3d.records.outcomes import Staged, stage, write_outcomes

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
            frames = FRAMES.get(path.stem)
            yield path, Probe(frames, True, 25.0, 320, 240, None if frames else UNREADABLE)

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return complete(
        {
            "videos": str(tmp_path / "videos"),
            "features": str(tmp_path / "features"),
            "weights": str(tmp_path / "weights.pth"),
            "bundle_frames": 150,
        }
    )


def finish(plan, video: str, status: str = "ok", reason: str | None = None) -> None:
    """Do what the jobs do for one pending video, by the book: stage it, record it, move it."""
    bundle = next(bundle for bundle in plan.bundles if bundle["name"] == plan.pending[video])
    entry = next(entry for entry in bundle["videos"] if entry["video"] == video)
    place = Staged(plan.work.staging / entry["feature"])
    place.feature.parent.mkdir(parents=True, exist_ok=True)
    np.save(place.feature, np.ones((2, 10, 2048), np.float32))
    record = {
        "video": video,
        "status": status,
        "reason": reason,
        "digest": entry["digest"],
        "fingerprint": plan.fingerprint,
        "bundle": bundle["name"],
        "clip_length": plan.settings["clip_length"],
        "resample_fps": plan.settings["fps"],
        "finished": "2026-01-01",
    }
    stage(place, record)
    write_outcomes(plan.work.outcomes / f"{bundle['name']}.{place.feature.stem}.jsonl", [record])
    if status == "ok":
        target = plan.work.root.parent / entry["feature"]
        target.parent.mkdir(parents=True, exist_ok=True)
        place.feature.replace(target)
