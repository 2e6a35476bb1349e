"""Names in the features tree that are not features, and what a video's path says of it."""

from pathlib import PurePosixPath

import msgspec

METADATA = "metadata.csv"
SUMMARY = "feature_config.txt"
RESERVED = (METADATA, SUMMARY)


class Naming(msgspec.Struct, frozen=True):
    """What is known of a video before it is looked at: columns of the table. Empty where nothing says it."""

    split: str = ""
    category: str = ""
    label: str = ""  # 1: anomaly, 0: normal
    reason: str | None = None  # why the video is in no split, or has no label


def by_path(video: str) -> Naming:
    """By its folders: `train_val/anomaly/x.mp4` is of split train_val and category anomaly."""
    category = category_of(video)
    return Naming(split_of(video), category, label_of(category))


def split_of(video: str) -> str:
    """`train_val` of `train_val/anomaly/x.mp4`: the first folder, or nothing."""
    folders = PurePosixPath(video).parts[:-1]
    return folders[0] if folders else ""


def category_of(video: str) -> str:
    """`anomaly` of `train_val/anomaly/x.mp4`: the last folder, or nothing."""
    folders = PurePosixPath(video).parts[:-1]
    return folders[-1] if folders else ""


def label_of(category: str) -> str:
    """1 for a category of anomalies, 0 for one of normal videos, told by how the name begins; else nothing."""
    name = category.lower()
    if name.startswith(("non_anomal", "normal")):
        return "0"
    return "1" if name.startswith("anomal") else ""
