"""Events from a CSV, matched to the videos of a split."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.exports.copies import CopyNames
from i3d.quantities import named
from i3d.records.record import Row

NEEDED = ("video_name", "start_annotation", "end_annotation")
NAME = "event_name"


class Event(NamedTuple):
    """First and last frame, counted from 0, both included, and what happens."""

    first: int
    last: int
    name: str = ""


@dataclass
class Matched:
    """What the annotations say of a split's videos, by `row.video`; `heirs` got the events of another video.

    A video without a key in `events` is not annotated; an empty list says that nothing happens in it.
    """

    events: dict[str, list[Event]] = field(default_factory=dict)
    heirs: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_annotations(path: Path) -> dict[str, list[Event]]:
    """Events per video name from `video_name,start_annotation,end_annotation,event_name`; more columns may follow.

    Several events of a video are several rows; a row of two negative frames says that there is none.
    Raises UserError for a missing file or column and for a row that is no pair of frames.
    """
    events: dict[str, list[Event]] = defaultdict(list)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            if missing := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path}: no column {', '.join(missing)} in the first line; add it")
            for row in reader:
                _add_event(events, row, f"{path}, line {reader.line_num}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct `ground_truth: annotations`") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); correct `ground_truth: annotations`") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error}); save it as one") from None
    return dict(events)


def content_digest(path: Path) -> str:
    """What is another when the annotations change; empty when they cannot be read."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _add_event(events: dict[str, list[Event]], row: dict[str, str | None], place: str) -> None:
    if (row.get("second_event") or "0").strip() not in ("", "0"):
        raise UserError(f"{place}: second_event is not read; give every event a row of its own")
    try:
        first, last = int(row["start_annotation"] or ""), int(row["end_annotation"] or "")
    except ValueError:
        raise UserError(f"{place}: start_annotation and end_annotation must be whole frame numbers") from None
    name = (row["video_name"] or "").strip()
    if first < 0 and last < 0:
        events[name] += []
    elif last < first:
        raise UserError(
            f"{place}: the event of {name} ends (frame {last}) before it starts (frame {first}); correct it"
        )
    else:
        events[name].append(Event(first, last, (row.get(NAME) or "").strip()))


def match_annotations(
    annotations: dict[str, list[Event]], table: Sequence[Row], chosen: Sequence[Row], copies: CopyNames
) -> Matched:
    """The events of the `chosen` videos of `table`.

    A name is the path below the videos tree or, where only one video fits, the file name; both with or without the
    suffix. A copy without a row of its own inherits the events of its source, by frame number or, where the copy has
    another frame rate, by time. Raises UserError for a file name that fits two videos which are not copies of one.
    """
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        for name in _names(row.video):
            by_name[name].append(row)
    among = {row.video for row in chosen}
    matched = Matched()
    for name, events in annotations.items():
        fits = [row for row in by_name.get(name, []) if row.video in among]
        originals = [row for row in fits if not copies.is_copy(row.video)] or fits
        if len({copies.source(row.video) for row in originals}) > 1:
            raise UserError(
                f"{name}: this annotated name fits {named([row.video for row in originals])}; write the path below the "
                "videos tree"
            )
        for row in originals:
            matched.events[row.video] = matched.events.get(row.video, []) + events
    of_source = _by_source(annotations)
    for row in chosen:
        if row.video not in matched.events and copies.is_copy(row.video):
            _inherit(row, annotations, of_source, by_name, copies, matched)
    known = set(by_name) | {name for row in table for name in _annotated_names(copies.source(row.video), of_source)}
    matched.unknown = [name for name in annotations if name not in known]
    return matched


def _names(video: str) -> set[str]:
    path = PurePosixPath(video)
    return {video, path.name, path.with_suffix("").as_posix(), path.stem}


def _by_source(annotations: dict[str, list[Event]]) -> dict[str, list[str]]:
    """Annotated names by themselves with and without their suffix."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in annotations:
        for form in dict.fromkeys((name, PurePosixPath(name).with_suffix("").as_posix() if name else name)):
            found[form].append(name)
    return found


def _annotated_names(source: str, of_source: dict[str, list[str]]) -> list[str]:
    return of_source.get(source) or of_source.get(PurePosixPath(source).name) or []


def _inherit(
    row: Row,
    annotations: dict[str, list[Event]],
    of_source: dict[str, list[str]],
    by_name: dict[str, list[Row]],
    copies: CopyNames,
    matched: Matched,
) -> None:
    source = copies.source(row.video)
    names = _annotated_names(source, of_source)
    if not names:
        return
    name = names[0]
    originals = [fit for fit in by_name.get(name, []) if not copies.is_copy(fit.video)]
    nearest = [fit for fit in originals if copies.source(fit.video) == source] or originals
    if len(nearest) > 1:
        matched.warnings.append(
            f"{row.video}: a copy of which of {named([fit.video for fit in nearest])}? It gets no events; annotate it"
        )
        return
    origin = nearest[0] if nearest else None
    events = [event for each in names for event in annotations[each]]
    carried = _carried_over(events, origin, row)
    if carried is None:
        lengths = f"{row.frames_decoded} frames to {origin.frames_decoded if origin else '?'}"
        matched.warnings.append(
            f"{row.video}: a copy of {origin.video if origin else name}, but of another length ({lengths}), so its "
            "events are not known; annotate it"
        )
        return
    matched.events[row.video] = carried
    matched.heirs[row.video] = origin.video if origin else name


def _carried_over(events: list[Event], origin: Row | None, copy: Row) -> list[Event] | None:
    """The events in the copy's frames; None when its frames are not those of its source."""
    if origin is None or None in (origin.frames_decoded, copy.frames_decoded) or _own_count(origin) == _own_count(copy):
        return events
    if not (origin.fps and copy.fps):
        return None
    if abs(_own_count(origin) / origin.fps - _own_count(copy) / copy.fps) > 1 / min(origin.fps, copy.fps):
        return None
    return [resampled(event, origin.fps, copy.fps) for event in events]


def _own_count(row: Row) -> float:
    """Frames of the recording itself, estimated where it was resampled."""
    frames = row.frames_decoded or 0
    return frames if row.resample_fps is None or not row.fps else round(frames * row.fps / row.resample_fps)


def resampled(event: Event, source_fps: float, target_fps: float) -> Event:
    """The event in frames of a constant `target_fps`, as ffmpeg's `fps` filter numbers them.

    The filter rounds each timestamp times the new rate to the nearest frame number, halves up.
    """
    scale = target_fps / source_fps
    return event._replace(
        first=math.floor(event.first * scale + 0.5), last=math.floor((event.last + 1) * scale + 0.5) - 1
    )


def labels_of_events(rows: Iterable[Row], events: dict[str, list[Event]]) -> dict[str, str]:
    """The name of each annotated video's first event, where it has one."""
    found = {row.video: [event.name for event in sorted(events.get(row.video, [])) if event.name] for row in rows}
    return {video: names[0] for video, names in found.items() if names}
