"""Trees of finished features with their table, as the workflow leaves them, without a network."""

import csv
from pathlib import Path

import numpy as np

from i3d.records.record import Row
from i3d.results.metadata import read_metadata

COLUMNS = (
    *("video", "feature_file", "status", "reason", "snippets", "crops", "split", "category", "label"),
    *("frames_decoded", "fps", "resample_fps", "seconds"),
)
# (video, snippets, label, frames, fps): two splits, a copy, a skipped video, names that need care.
VIDEOS = (
    ("train_val/non_anomaly/normal_001.mp4", 2, 0, 40, 30),
    ("train_val/anomaly/armed_001.mp4", 3, 1, 50, 30),
    ("train_val/anomaly_cropped/armed_001.mp4", 1, 1, 16, 30),
    ("test/non_anomaly/Normal_002.mp4", 2, 0, 33, 25),
    ("test/anomaly/theft.1.mp4", 4, 1, 70, 30),
    ("test/anomaly/armed_002.MP4", 2, 1, 32, 30),
    ("test/anomaly/short.mp4", None, 1, 9, 30),
)


def write_tree(folder: Path, listed=VIDEOS, crops: int = 10, resample_fps="", dim: int = 2048, **more: str) -> Path:
    """A features tree with metadata.csv; element [t, c, f] of the n-th video's feature is 100 n + 10 t + c.

    `more` are columns, the same for all videos.
    """
    features = folder / "features"
    rows = []
    for number, (video, snippets, label, frames, fps) in enumerate(listed):
        feature = Path(video).with_suffix(".npy").as_posix()
        if snippets:
            values = 100 * number + 10 * np.arange(snippets)[:, None] + np.arange(crops)
            array = np.repeat(values[..., None], dim, axis=2).astype(np.float32)
            (features / feature).parent.mkdir(parents=True, exist_ok=True)
            np.save(features / feature, array)
        split, *_, category, _ = video.split("/")
        status = "ok" if snippets else "skipped"
        rows.append(
            (video, feature, status, "", snippets, crops, split, category, label, frames, fps, resample_fps, 1.5)
        )
    with (features / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([(*COLUMNS, *more), *((*row, *more.values()) for row in rows)])
    return features


def table(features: Path) -> list[Row]:
    """The tree's table."""
    return read_metadata(features / "metadata.csv")


def annotate(folder: Path, *lines: str) -> Path:
    """A CSV of events with these lines."""
    path = folder / "annotations.csv"
    path.write_text("video_name,start_annotation,end_annotation,event_name\n" + "".join(f"{line}\n" for line in lines))
    return path
