"""Records and the features they vouch for."""

from pathlib import Path

import numpy as np

from i3d.digests import file_sha256
from i3d.records.record import OK, VideoRecord


def record(video: str, status: str = OK, **values) -> VideoRecord:
    """A record of a video whose content is named after it."""
    common = {"digest": video, "fingerprint": "f", "bundle": "b", "finished": "2026-01-01", "versions": "torch=2"}
    return VideoRecord(**{"video": video, "status": status, **common, **values})


def record_of_feature(tree: Path, video: str, value: float = 1.0, **values) -> VideoRecord:
    """Write a feature of two snippets that hold `value` into `tree`, and return the record of it."""
    name = str(Path(video).with_suffix(".npy"))
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((2, 10, 2048), value, np.float32))
    content = {"feature_size": path.stat().st_size, "feature_sha256": file_sha256(path)}
    return record(video, feature_file=name, snippets=2, crops=10, dim=2048, **content, **values)
