"""VadCLIP's tables: the label of each crop file, and what happens where.

Its `label_map` must contain every label of the CSV. `Normal` marks normal videos. For XD-Violence the labels are that
set's codes, joined by `-`, and `A` for normal videos.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from i3d.exports.crops import one_crop
from i3d.exports.ground_truth import Truth
from i3d.records.record import Row

CODES = re.compile(r"(B\d|G)(-(B\d|G|0))*")  # XD-Violence's classes of a video
NORMAL, ANOMALY = "Normal", "anomaly"
NO_CLASS = "A"  # XD-Violence's code of normal videos; VadCLIP's scripts give it to all normal videos' segments


def label_of(row: Row, events: Mapping[str, str]) -> str:
    """`Normal` or XD-Violence's `A` for a normal video, else the video's event, or `anomaly` without one."""
    if row.label:
        return events.get(row.video, ANOMALY)
    return NO_CLASS if events.get(row.video) == NO_CLASS else NORMAL


def table(
    rows: Iterable[Row], files: Iterable[Sequence[Path]], events: Mapping[str, str], crop: int | None = None
) -> list[list[str]]:
    """`path,label` of each crop file with a header, or of one file per video with `crop`, as for tests."""
    lines = [["path", "label"]]
    for row, paths in zip(rows, files, strict=True):
        chosen = paths if crop is None else [one_crop(paths, crop)]
        lines += [[str(path), label_of(row, events)] for path in chosen]
    return lines


def label_map(labels: Iterable[str]) -> dict[str, str]:
    """The `label_map` to paste: the words for every label, `Normal` first."""
    others = sorted(set(labels) - {NORMAL})
    return {NORMAL: "normal"} | {label: label.replace("_", " ") for label in others}


def segments(truth: Truth, events: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """`gt_segment` and `gt_label`: object arrays (videos,) of lists, a [first, end) in frames and a label per event.

    A normal video is one segment of no class.
    """
    where, what = (np.empty(len(truth.videos), object) for _ in range(2))
    for place, video in enumerate(truth.videos):
        if video.row.label == 0:
            where[place], what[place] = [[0, video.frames]], [NO_CLASS]
        else:
            label = label_of(video.row, events)
            if CODES.fullmatch(label):  # each of its events is counted for one class
                label = label.partition("-")[0]
            where[place] = [[segment.first, segment.last + 1] for segment in video.segments]
            what[place] = [segment.name if events and segment.name else label for segment in video.segments]
    return where, what
