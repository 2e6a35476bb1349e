"""Features under the names that TEVAD and S3R ask for: `<id>_i3d.npy`, all of a split in one folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from i3d.errors import UserError
from i3d.exports.ground_truth import Truth
from i3d.exports.receipts import Content, Link
from i3d.exports.selection import below_split
from i3d.records.record import Row

ENDING = "_i3d.npy"


def video_ids(rows: Sequence[Row]) -> list[str]:
    """A name per video without folders: those below the split, and its own, joined by `__`.

    Raises UserError when two videos get one name.
    """
    owner: dict[str, str] = {}
    for row in rows:
        name = "__".join(below_split(row, row.feature_file).with_suffix("").parts)
        if name in owner:
            raise UserError(f"{owner[name]} and {row.video} both want {name}{ENDING}; rename one")
        owner[name] = row.video
    return list(owner)


def links(rows: Sequence[Row], features: Path, folder: Path) -> dict[Path, Content]:
    """The relative link `folder/<id>_i3d.npy` to each feature."""
    found: dict[Path, Content] = {}
    for row, name in zip(rows, video_ids(rows), strict=True):
        feature = (features / row.feature_file).absolute()
        found[folder / f"{name}{ENDING}"] = Link(os.path.relpath(feature, folder.absolute()))
    return found


def s3r_table(rows: Sequence[Row]) -> list[list[str]]:
    """S3R's list of a split: the column `video-id`."""
    return [["video-id"], *([name] for name in video_ids(rows))]


def s3r_labels(truth: Truth) -> dict[str, dict[str, object]]:
    """S3R's ground truth by video id: `num_frames`, and `labels`, one 0.0 or 1.0 per frame of the snippets."""
    names = video_ids([video.row for video in truth.videos])
    return {
        name: {"num_frames": video.frames, "labels": video.values().tolist()}
        for name, video in zip(names, truth.videos, strict=True)
    }
