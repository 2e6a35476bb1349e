"""Compare the counts of each tested video: annotated, declared, decoded, in snippets and in the ground truth."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from i3d.datasets.matching import VideoIndex
from i3d.exports.annotation_formats import Span
from i3d.exports.receipts import Files, csv_of, text_of
from i3d.exports.source import Split
from i3d.quantities import count
from i3d.records.record import OK, ORPHANED, Row
from i3d.results.metadata import is_wanted

SHOWN = 20  # lines on the screen
SCREEN_COLUMNS = {  # and their headings
    "annotated_last": "annotated",
    "frames_decoded": "decoded",
    "snippets": "snippets",
    "truth_frames": "truth",
}


class Line(NamedTuple):
    """A video of the tested splits, or an annotated name without one; None for a count that is not known.

    `annotated_last`: last annotated frame, from 0. `frames_official`: the video's length according to the annotations.
    """

    video: str
    split: str
    label: int | None = None
    events: int | None = None
    annotated_last: int | None = None
    frames_official: int | None = None
    frames_declared: int | None = None
    frames_decoded: int | None = None
    snippets: int | None = None
    truth_frames: int | None = None
    truth_ones: int | None = None
    problem: str = ""


def reconciled(split: Split, path: Path) -> Files:
    """The lines of all splits with ground truth, and a text for the screen with the lines that have a problem."""
    source = split.source
    lines = [line for name in source.truthful if name in source.splits for line in _lines_of(source.split(name))]
    table = [Line._fields, *(["" if value is None else str(value) for value in line] for line in lines)]
    text = [*_as_text(lines, path), f"annotations: {source.annotations_path}"]
    return {path: csv_of(table), path.with_suffix(".txt"): text_of(text)}


def _lines_of(split: Split) -> list[Line]:
    """A line for each video of a split, with features or without, and for each annotated name without a video."""
    table, annotations = split.source.table, split.source.annotated
    official = _by_video(annotations.frames, table)
    annotated = set(_by_video(annotations.events, table))
    truths = {video.row.video: video for video in split.truth.videos}
    lines = []
    for row in table:
        if row.split != split.name and row.video not in truths:
            continue
        own = truths.get(row.video)
        events = split.matched.events.get(row.video)
        frames = [event.last for event in events or () if not isinstance(event, Span)]
        line = Line(
            video=row.video,
            split=split.name,
            label=row.label,
            events=None if events is None else len(events),
            annotated_last=max(frames, default=None),
            frames_official=official.get(row.video),
            frames_declared=row.frames_declared,
            frames_decoded=row.frames_decoded,
            snippets=row.snippets,
            truth_frames=own.frames if own else None,
            truth_ones=int(own.values().sum()) if own else None,
        )
        problems = [*_problems(line, row, split)]
        if row.label == 1 and row.video not in annotated and line.events is None:
            problems.append("an anomaly that is not annotated")
        lines.append(line._replace(problem="; ".join(problems)))
    unknown = split.matched.unknown
    return lines + [Line(name, split.name, problem="annotated, but there is no such video") for name in unknown]


def _by_video(by_name: Mapping[str, Any], table: Sequence[Row]) -> dict[str, Any]:
    """Replace annotated names by the videos that they fit alone."""
    index = VideoIndex(row.video for row in table if row.status != ORPHANED)
    fits = index.find_each(by_name)
    return {fits[name][0]: value for name, value in by_name.items() if len(fits[name]) == 1}


def _problems(line: Line, row: Row, split: Split) -> Iterable[str]:
    is_listed, frequency, videos = line.truth_frames is not None, split.source.frequency, Path(split.settings.videos)
    if row.status != OK:
        yield f"no features: {row.status}" + (f", {row.reason}" if row.reason else "")
    elif not is_listed:
        yield f"not in the list: {row.reason or _why_unlisted(row, split)}"
    if videos.is_dir() and not (videos / row.video).exists():  # features may have been copied without the videos
        yield "its video is gone"
    if line.events and row.damaged:
        yield f"its events may lie in other frames: {row.damaged}"
    frames = row.frames_decoded
    if row.constant_fps is not None or frames is None:
        return
    if line.annotated_last is not None and line.annotated_last >= frames:
        yield f"annotated up to frame {line.annotated_last}, but its last one is {frames - 1}"
    if line.frames_official is not None and abs(line.frames_official - frames) > frequency:
        yield f"{frames} frames, officially {line.frames_official}"
    if row.frames_declared is not None and abs(row.frames_declared - frames) > frequency:
        yield f"{frames} frames decoded of {row.frames_declared} declared"
    if row.status == OK and row.label == 1 and line.events and not line.truth_ones and is_listed:
        yield "no annotated frame lies in its snippets"


def _why_unlisted(row: Row, split: Split) -> str:
    if row in split.selection.left_out:
        return "too few snippets"
    is_of_category = is_wanted(row, split.settings.lists.categories)
    return "held out for validation" if is_of_category else "of another category"


def _as_text(lines: Sequence[Line], path: Path) -> list[str]:
    """How many lines fit, and a table of the others; `path` is the file with all of them."""
    listed = [line for line in lines if line.truth_frames is not None]
    wrong = [line for line in lines if line.problem]
    frames = sum(line.truth_frames or 0 for line in listed)
    ones = sum(line.truth_ones or 0 for line in listed)
    text = [f"reconciled {count(len(listed), 'video')}, {ones:,} of {frames:,} frames marked; all in {path}"]
    if not wrong:
        return [*text, "all counts fit"]
    text.append(f"{count(len(wrong), 'line')} to look at:")
    rows = [["video", *SCREEN_COLUMNS.values(), "problem"]]
    rows += [[_cell(getattr(line, name)) for name in ("video", *SCREEN_COLUMNS, "problem")] for line in wrong[:SHOWN]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for video, *numbers, problem in rows:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        text.append("  ".join(["", video.ljust(widths[0]), *aligned, problem]))
    return [*text, f"  and {len(wrong) - SHOWN:,} more"] if len(wrong) > SHOWN else text


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
