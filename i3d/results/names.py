"""Names in the features tree that are not features, and what a video's path says of it."""

from pathlib import PurePosixPath

METADATA = "metadata.csv"
SUMMARY = "feature_config.txt"
RESERVED = (METADATA, SUMMARY)


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
