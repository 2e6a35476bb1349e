"""What trainers of anomaly detectors read: list files, ground truth, one file per crop.

Formats, as the trainers' loaders have them:
- RTFM, MGFN, Smart-Surveillance: a list of feature paths, one a line, anomalies first (the first two take the
  label from the line's place, the last from `non_anomaly` in the folder); ground truth is one float per frame of
  the snippets, in the order of the list.
- UR-DMU: one (snippets, 2048) file per crop, a video's crops on consecutive lines, anomalies first, and `Normal`
  in a file name for the label; lines are split at spaces.
- VadCLIP: the same files in a CSV `path,label`, `Normal` or the class; tests read one crop.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from i3d.errors import UserError
from i3d.results.metadata import Row, is_wanted

# Places of our crops (top left, top right, centre, bottom left, bottom right, then the same mirrored) in each order.
CROP_ORDERS = {
    "original": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    "tencrop": (0, 1, 3, 4, 2, 5, 6, 8, 9, 7),  # torchvision.transforms.TenCrop: corners, centre, mirrored
    "centre_first": (2, 0, 1, 3, 4, 7, 5, 6, 8, 9),  # XD-Violence: centre, corners, mirrored
}
NAMED = 5  # names that a message spells out

Event = tuple[int, int]  # first and last frame, counted from 0, both included


def select(rows: Iterable[Row], split: str, categories: Sequence[str] = ()) -> list[Row]:
    """The videos of `split` that have features, anomalies first, each part sorted by path.

    `categories` keeps these categories only; empty: all. Raises UserError when nothing is left, or when a
    category says neither anomaly nor normal.
    """
    chosen = [row for row in rows if row.split == split and is_wanted(row, categories)]
    if not chosen:
        raise UserError(
            f"{split}: no video there has features; check `lists: categories`, and metadata.csv for what became of them"
        )
    if unknown := sorted({row.category for row in chosen if row.label is None}):
        raise UserError(
            f"{split}: {_named(unknown)} says neither anomaly nor normal, and lists are ordered by label; name the "
            "folders wanted in `lists: categories`"
        )
    return sorted(chosen, key=lambda row: (-(row.label or 0), row.video))


def list_lines(rows: Iterable[Row], root: Path) -> list[str]:
    """One feature path per line, in the given order. Raises UserError for a path that would break a line."""
    lines = [str(root / row.feature_file) for row in rows]
    if broken := [line for line in lines if len(line.splitlines()) != 1]:
        raise UserError(f"{_named(broken)}: a line break in a path, and lists hold one path per line; rename it")
    return lines


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many lines a trainer must be told to take as anomalies (RTFM's 810 for UCF-Crime)."""
    anomalies = sum(row.label or 0 for row in rows)
    return {"anomaly": anomalies, "normal": len(rows) - anomalies, "total": len(rows)}


def read_annotations(path: Path) -> dict[str, list[Event]]:
    """Events per video name from `video_name,start_annotation,end_annotation,event_name`; more columns may follow.

    Several events of a video are several rows; a row of two negative frames says that there is none.
    Raises UserError for a missing file or column and for a row that is no pair of frames.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            needed = ("video_name", "start_annotation", "end_annotation")
            if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path}: no column {', '.join(missing)} in the first line; add it")
            events: dict[str, list[Event]] = defaultdict(list)
            for row in reader:
                _add_event(events, row, f"{path}, line {reader.line_num}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct `ground_truth: annotations`") from None
    return dict(events)


def _add_event(events: dict[str, list[Event]], row: dict[str, str], place: str) -> None:
    if (row.get("second_event") or "0").strip() not in ("", "0"):
        raise UserError(f"{place}: second_event is not read; give every event a row of its own")
    try:
        first, last = int(row["start_annotation"]), int(row["end_annotation"])
    except (TypeError, ValueError):
        raise UserError(f"{place}: start_annotation and end_annotation must be whole frame numbers") from None
    name = row["video_name"].strip()
    if first < 0 and last < 0:
        events[name] += []
    elif last < first:
        raise UserError(
            f"{place}: the event of {name} ends (frame {last}) before it starts (frame {first}); correct it"
        )
    else:
        events[name].append((first, last))


def match_annotations(annotations: dict[str, list[Event]], rows: Iterable[Row], split: str) -> dict[str, list[Event]]:
    """Events per `row.video` of the split; names are paths below the videos tree, or file names where one fits.

    Raises UserError for names that no video has, and for a file name that fits two videos of the split.
    """
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for name in {row.video, PurePosixPath(row.video).name}:
            by_name[name].append(row)
    if unknown := [name for name in annotations if name not in by_name]:
        raise UserError(
            f"{_named(unknown, len(unknown))}: annotated, but no such video is in metadata.csv; correct the annotations"
        )
    matched: dict[str, list[Event]] = {}
    for name, events in annotations.items():
        fits = [row.video for row in by_name[name] if row.split == split]
        if len(fits) > 1:
            raise UserError(f"{name}: this annotated name fits {_named(fits)}; write the path below the videos tree")
        for video in fits:
            matched[video] = matched.get(video, []) + events
    return matched


def resampled(event: Event, source_fps: float, target_fps: float) -> Event:
    """The event in frames of a constant `target_fps`, as ffmpeg's `fps` filter numbers them.

    The filter rounds each timestamp times the new rate to the nearest frame number, halves up.
    """
    first, last = event
    scale = target_fps / source_fps
    return math.floor(first * scale + 0.5), math.floor((last + 1) * scale + 0.5) - 1


def ground_truth(
    rows: Sequence[Row], events: dict[str, list[Event]], features: Path, frequency: int
) -> tuple[np.ndarray, list[str]]:
    """Float64 (frequency x all snippets,): 1 in frames of an event, 0 elsewhere, videos in the order of `rows`.

    `events` are in frames of the recordings, by `row.video`; those of resampled videos are mapped. Also returns
    what the user should know: events that reach beyond their video, anomalies without an annotated frame.
    Raises UserError when a feature is missing or the frame rate needed for the mapping is unknown.
    """
    parts, warnings = [], []
    for row in rows:
        truth = np.zeros(_snippets(features / row.feature_file) * frequency)
        own = events.get(row.video, [])
        if row.label == 0 and own:
            warnings.append(f"{row.video}: its folder says normal, so its annotated events are left out")
            own = []
        for event in own:
            first, last = _own_frames(event, row)
            frames = row.frames if row.frames is not None else len(truth)
            if first < 0 or last >= frames:
                warnings.append(f"{row.video}: event {event[0]}-{event[1]} clipped to the video's {frames} frames")
            truth[max(first, 0) : max(last + 1, 0)] = 1
        if row.label == 1 and not truth.any():
            warnings.append(f"{row.video}: an anomaly, but no annotated frame lies in its snippets: all zeros")
        parts.append(truth)
    return np.concatenate(parts), warnings


def _own_frames(event: Event, row: Row) -> Event:
    """The event in the frames that the snippets were cut from."""
    if row.resample_fps is None:
        return event
    if not row.fps:
        raise UserError(
            f"{row.video}: its own frame rate is unknown, so its events cannot be mapped to {row.resample_fps:g} fps; "
            "take it out of the split"
        )
    return resampled(event, row.fps, row.resample_fps)


def crop_stem(row: Row) -> str:
    """The name of a video's crop files without `__0.npy`: UR-DMU reads the label from `Normal` in it.

    Raises UserError for an anomaly whose own name holds `Normal`.
    """
    stem = PurePosixPath(row.feature_file).stem
    if row.label == 0 and "Normal" not in stem:
        return f"Normal_{stem}"
    if row.label == 1 and "Normal" in stem:
        raise UserError(f"{row.video}: an anomaly, but UR-DMU takes `Normal` in a name for the label; rename it")
    return stem


def crop_paths(rows: Iterable[Row], folder: Path) -> list[list[Path]]:
    """Per video the paths `folder/<category>/<name>__<crop>.npy`. Raises UserError when two videos want one name."""
    owner: dict[Path, str] = {}
    paths = []
    for row in rows:
        stem = folder / PurePosixPath(row.feature_file).relative_to(row.split).parent / crop_stem(row)
        if stem in owner:
            raise UserError(f"{owner[stem]} and {row.video} both want {stem}__0.npy; rename one")
        owner[stem] = row.video
        paths.append([stem.with_name(f"{stem.name}__{crop}.npy") for crop in range(row.crops or 0)])
    return paths


def write_crops(rows: Sequence[Row], features: Path, folder: Path, order: str) -> None:
    """Write each video's crops to its `crop_paths`, float32 (snippets, 2048); a single crop has no order."""
    for row, paths in zip(rows, crop_paths(rows, folder), strict=True):
        array = _load(features / row.feature_file)
        places = CROP_ORDERS[order] if len(paths) == len(CROP_ORDERS[order]) else range(len(paths))
        for path, place in zip(paths, places, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.ascontiguousarray(array[:, place]))


def ur_dmu_lines(files: Iterable[Sequence[Path]]) -> list[str]:
    """One crop file per line, a video's crops together. Raises UserError for a space, where UR-DMU cuts lines."""
    lines = [str(path) for paths in files for path in paths]
    if broken := [line for line in lines if len(line.split()) != 1]:
        raise UserError(
            f"{_named(broken)}: UR-DMU cuts the lines of its list at spaces; rename the video or move the folder"
        )
    return lines


def vadclip_rows(rows: Iterable[Row], files: Iterable[Sequence[Path]], crop: int | None = None) -> list[list[str]]:
    """`path,label` with its header: `Normal` or the category; `crop`: that crop alone, as tests want it."""
    table = [["path", "label"]]
    for row, paths in zip(rows, files, strict=True):
        label = row.category if row.label else "Normal"
        chosen = paths if crop is None else [paths[min(crop, len(paths) - 1)]]
        table += [[str(path), label] for path in chosen]
    return table


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: gone, though metadata.csv lists it; run the workflow again") from None


def _snippets(path: Path) -> int:
    return len(_load(path))


def _named(names: Sequence[str], limit: int = NAMED) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
