"""VadCLIP's tables: the label of each crop file, and what happens where.

Its `label_map` must contain every label of the CSV. `Normal` marks normal videos. For XD-Violence the labels are that
set's codes, joined by `-`, and `A` for normal videos.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from i3d.exports.crops import one_crop
from i3d.exports.receipts import Files, csv_of, npy_of
from i3d.exports.source import Split
from i3d.records.record import Row

CODES = re.compile(r"(B\d|G)(-(B\d|G|0))*")  # XD-Violence's classes of a video
NORMAL, ANOMALY = "Normal", "anomaly"
NO_CLASS = "A"  # XD-Violence's code of normal videos; VadCLIP's scripts give it to all normal videos' segments


def label_of(row: Row, events: Mapping[str, str]) -> str:
    """`Normal` or XD-Violence's `A` for a normal video, else the video's event, or `anomaly` without one."""
    if row.label:
        return events.get(row.video, ANOMALY)
    return NO_CLASS if events.get(row.video) == NO_CLASS else NORMAL


def table(split: Split, path: Path) -> Files:
    """The CSV of a split's crop files, `path,label`; of one crop per video in a split for tests."""
    lines = [["path", "label"]]
    for row, files in zip(split.rows, split.crop_files, strict=True):
        chosen = [one_crop(files, split.test_crop)] if split.is_for_tests else files
        lines += [[str(file), label_of(row, split.event_names)] for file in chosen]
    return {path: csv_of(lines)}


def label_map(labels: Iterable[str]) -> dict[str, str]:
    """The `label_map` to paste: the words for every label, `Normal` first."""
    others = sorted(set(labels) - {NORMAL})
    return {NORMAL: "normal"} | {label: label.replace("_", " ") for label in others}


def segments(split: Split, path: Path) -> Files:
    """`gt_segment` and `gt_label`: object arrays (videos,) of lists, a [first, end) in frames and a label per event.

    In the order of the split's list. A normal video is one segment of no class.
    """
    events, videos = split.event_names, split.truth.videos
    where, what = (np.empty(len(videos), object) for _ in range(2))
    for place, video in enumerate(videos):
        if video.row.label == 0:
            where[place], what[place] = [[0, video.frames]], [NO_CLASS]
        else:
            label = label_of(video.row, events)
            if CODES.fullmatch(label):  # each of its events is counted for one class
                label = label.partition("-")[0]
            where[place] = [[segment.first, segment.last + 1] for segment in video.segments]
            what[place] = [segment.name if events and segment.name else label for segment in video.segments]
    return {path: npy_of(where), path.with_name(f"{split.name}_gt_label.npy"): npy_of(what)}
