"""Features under the names that TEVAD and S3R require: `<id>_i3d.npy`, a split in one folder."""

import os
import pickle
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from i3d.errors import UserError
from i3d.exports.ground_truth import Truth, load
from i3d.exports.receipts import Content, Link
from i3d.exports.selection import below_split
from i3d.records.record import Row

ENDING = "_i3d.npy"
SEGMENTS = 32  # of a training video of S3R


def video_ids(rows: Sequence[Row], table: Sequence[Row] = (), *, plain: bool = False) -> list[str]:
    """Name each video by its folders below the split and its own name, joined by `__`.

    `plain` leaves out the folders, as published captions of a data set do. `table` are the videos of all splits: TEVAD
    reads captions by name from one folder, so a name that occurs in two splits is prefixed by the split.
    Raises UserError when two videos of a split get the same name.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for row in table:
        splits[_id(row, plain)].add(row.split)
    owner: dict[str, str] = {}
    for row in rows:
        name = _id(row, plain)
        if len(splits[name]) > 1:
            name = f"{row.split}__{name}"
        if name in owner:
            raise UserError(f"{owner[name]} and {row.video} both want {name}{ENDING}; rename one")
        owner[name] = row.video
    return list(owner)


def _id(row: Row, plain: bool) -> str:
    path = below_split(row, row.feature_file).with_suffix("")
    return path.name if plain else "__".join(path.parts)


def links(rows: Sequence[Row], ids: Sequence[str], features: Path, folder: Path) -> dict[Path, Content]:
    """The relative link `folder/<id>_i3d.npy` to each feature, also where `folder` lies behind a link itself."""
    there, here = os.path.realpath(features), os.path.realpath(folder)
    return {
        folder / f"{name}{ENDING}": Link(os.path.relpath(f"{there}/{row.feature_file}", here))
        for row, name in zip(rows, ids, strict=True)
    }


def s3r_table(ids: Iterable[str]) -> list[list[str]]:
    """S3R's list of a split: the column `video-id`."""
    return [["video-id"], *([name] for name in ids)]


def s3r_labels(truth: Truth, ids: Iterable[str]) -> dict[str, dict[str, object]]:
    """S3R's ground truth by video id: `num_frames`, and `labels`, one 0.0 or 1.0 per frame of the snippets."""
    return {
        name: {"num_frames": video.frames, "labels": video.values().tolist()}
        for name, video in zip(ids, truth.videos, strict=True)
    }


def s3r_pickle(rows: Sequence[Row], ids: Iterable[str], features: Path) -> bytes:
    """The pickle for S3R's dictionary learning: `feature` maps each normal video's id to float32 (crops, 32, dim).

    All of them are in memory at once, 2.6 MB for a video of ten crops, as in S3R itself.
    """
    own = {name: row for name, row in zip(ids, rows, strict=True) if row.label == 0}
    arrays = {name: in_segments(load(features / row.feature_file)) for name, row in own.items()}
    return pickle.dumps({"feature": arrays}, protocol=4)


def in_segments(feature: np.ndarray, segments: int = SEGMENTS) -> np.ndarray:
    """Interpolate a feature (snippets, crops, dim) linearly along time to float32 (crops, segments, dim).

    Samples lie in the middle of their segments, as in OpenCV's `resize`, which S3R uses.
    """
    last = len(feature) - 1
    places = np.clip((np.arange(segments) + 0.5) * len(feature) / segments - 0.5, 0, last)
    low = np.floor(places).astype(int)
    share = (places - low)[:, None, None].astype(np.float32)
    array = np.asarray(feature, np.float32)
    mixed = array[low] * (1 - share) + array[np.minimum(low + 1, last)] * share
    return np.ascontiguousarray(mixed.swapaxes(0, 1))
