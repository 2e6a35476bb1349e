"""Match annotated events to the videos of a split."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from i3d.datasets.matching import VideoIndex
from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.exports.copies import CopyNames
from i3d.quantities import named
from i3d.records.record import ORPHANED, Row

Events = Mapping[str, Sequence[Event | Span]]  # by the names that the annotations use for videos


@dataclass
class Matched:
    """What the annotations say of a split's videos, by `row.video`.

    A video without a key in `events` is not annotated; an empty list says that nothing happens in it. `heirs` maps
    copies to the video whose events they inherit. `unknown` are annotated names without a video.
    """

    events: dict[str, list[Event | Span]] = field(default_factory=dict)
    heirs: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def match_annotations(annotations: Events, table: Sequence[Row], chosen: Sequence[Row], copies: CopyNames) -> Matched:
    """Find the events of the `chosen` videos of `table`.

    A name is the path below the videos tree or, where only one video of the table fits, the end of it or the file name,
    all with or without the suffix. A copy without a row of its own inherits the events of its source, by frame number
    or, if its frame rate differs, by time. Videos of no split, as a data set may leave out, are passed over.

    Raises UserError for a name that fits several videos, in one split or two, that are not copies of one.
    """
    rows = {row.video: row for row in table if row.status != ORPHANED and row.split}
    index = VideoIndex(rows)
    in_split = {row.video for row in chosen}
    matched = Matched()
    fits = {name: [rows[video] for video in videos] for name, videos in index.find_each(annotations).items()}
    for name, events in annotations.items():
        originals = [row for row in fits[name] if not copies.is_copy(row.video)] or fits[name]
        meant = [row for row in originals if row.video in in_split]
        if meant and len({copies.source(row.video) for row in originals}) > 1:
            raise UserError(
                f"{name}: this annotated name fits {named([row.video for row in originals])}; write the path below the "
                "videos tree"
            )
        for row in meant:
            matched.events[row.video] = [*matched.events.get(row.video, []), *events]
    of_source = _by_source(annotations, copies)
    for row in chosen:
        if row.video not in matched.events and copies.is_copy(row.video):
            _inherit(row, annotations, of_source, fits, copies, matched)
    known = {name for row in table for name in _annotated_names(copies.source(row.video), of_source)}
    in_no_split = VideoIndex(row.video for row in table if not row.split)
    matched.unknown = [name for name in annotations if not (fits[name] or name in known or in_no_split.find(name))]
    return matched


def _by_source(annotations: Events, copies: CopyNames) -> dict[str, list[str]]:
    """Annotated names, keyed by themselves with and without their suffix."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in annotations:
        for key in {name, copies.plain(name)}:
            names[key].append(name)
    return names


def _annotated_names(source: str, of_source: dict[str, list[str]]) -> list[str]:
    return of_source.get(source) or of_source.get(PurePosixPath(source).name) or []


def _inherit(
    row: Row,
    annotations: Events,
    of_source: dict[str, list[str]],
    fits: Mapping[str, Sequence[Row]],
    copies: CopyNames,
    matched: Matched,
) -> None:
    """Note a copy's inherited events in `matched`, or a warning why it gets none."""
    source = copies.source(row.video)
    names = _annotated_names(source, of_source)
    if not names:
        return
    originals = [fit for fit in fits[names[0]] if not copies.is_copy(fit.video)]
    nearest = [fit for fit in originals if copies.source(fit.video) == source] or originals
    if len(nearest) > 1:
        matched.warnings.append(
            f"{row.video}: a copy of which of {named([fit.video for fit in nearest])}? It gets no events; annotate it"
        )
        return
    origin = nearest[0] if nearest else None
    events = _carried_over([event for name in names for event in annotations[name]], origin, row)
    origin_name = origin.video if origin else names[0]
    if events is None:
        lengths = f"{row.frames_decoded} frames to {origin.frames_decoded if origin else '?'}"
        matched.warnings.append(
            f"{row.video}: a copy of {origin_name}, but of another length ({lengths}), so its events are not known; "
            "annotate it"
        )
        return
    matched.events[row.video] = events
    matched.heirs[row.video] = origin_name


def _carried_over(events: list[Event | Span], origin: Row | None, copy: Row) -> list[Event | Span] | None:
    """The events in the copy's frames; None when its frames are not those of its source."""
    if origin is None or None in (origin.frames_decoded, copy.frames_decoded) or _own_count(origin) == _own_count(copy):
        return events
    if not (origin.fps and copy.fps):
        return None
    if abs(_own_count(origin) / origin.fps - _own_count(copy) / copy.fps) > 1 / min(origin.fps, copy.fps):
        return None
    return [event if isinstance(event, Span) else resampled(event, origin.fps, copy.fps) for event in events]


def _own_count(row: Row) -> float:
    """Frames of the recording itself, estimated if it was resampled."""
    frames = row.frames_decoded or 0
    return frames if row.constant_fps is None or not row.fps else round(frames * row.fps / row.constant_fps)


def resampled(event: Event, source_fps: float, target_fps: float) -> Event:
    """The event in frames of a constant `target_fps`, numbered as by ffmpeg's `fps` filter.

    The filter rounds each timestamp times the new rate to the nearest frame number, halves up.
    """
    scale = target_fps / source_fps
    return event._replace(
        first=math.floor(event.first * scale + 0.5), last=math.floor((event.last + 1) * scale + 0.5) - 1
    )


def labels_of_events(rows: Iterable[Row], events: Events) -> dict[str, str]:
    """The name of each annotated video's first event, if it has one."""
    named_events = {row.video: [event for event in events.get(row.video, []) if event.name] for row in rows}
    return {video: min(own, key=lambda event: event[0]).name for video, own in named_events.items() if own}
