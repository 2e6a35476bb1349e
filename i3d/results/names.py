"""Names in the features tree that are not features, and how a video's path names its split, category and label."""

from pathlib import PurePosixPath

import msgspec

METADATA = "metadata.csv"
SUMMARY = "feature_config.txt"
RESERVED = (METADATA, SUMMARY)


class Naming(msgspec.Struct, frozen=True):
    """Columns of the table that are known without reading the video; empty where unknown."""

    split: str = ""
    category: str = ""
    label: str = ""  # 1: anomaly, 0: normal
    reason: str | None = None  # why the video is in no split, or has no label


def by_path(video: str) -> Naming:
    """Name a video by its folders: `train_val/anomaly/x.mp4` is in split train_val, of category anomaly."""
    folders = PurePosixPath(video).parts[:-1] or ("",)
    return Naming(folders[0], folders[-1], label_of(folders[-1]))


def label_of(category: str) -> str:
    """Return 1 for a category of anomalies, 0 for normal videos, by the beginning of its name; else nothing."""
    name = category.lower()
    if name.startswith(("non_anomal", "normal")):
        return "0"
    return "1" if name.startswith("anomal") else ""
