"""Annotations in the forms in which data sets publish them, recognised by their content.

csv          `video_name,start_annotation,end_annotation,event_name`, or `start_seconds,end_seconds`; a row an event
ucf_crime    `Abuse028_x264.mp4  Abuse  165  240  -1  -1`: class, pairs of frames, -1 for none
xd_violence  `v=S-7r__#1_label_B4-0-0 0 1517 1970 3038`: pairs of frames; also with a class before each pair
tad          `frames/abnormal/01_Accident_006.mp4 266 1 75 110`: total frames, class (0: normal), pairs of frames
msad         a table with `name`, `starting frame of anomaly` and `ending frame of anomaly`, counted from 1
masks        a folder of `<video>.npy`, a value per frame, not 0 where something happens (ShanghaiTech)
tracks       `<video>_tracks.txt`, `object,first,last` a line, anywhere below a folder (UBnormal)

Unless stated otherwise, frames are numbered from 0 and an event includes its last frame.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from i3d.errors import UserError
from i3d.files import read_file
from i3d.frame_folders import walk

FRAMES, SECONDS, NAME = ("start_annotation", "end_annotation"), ("start_seconds", "end_seconds"), "event_name"
MSAD = ("starting frame of anomaly", "ending frame of anomaly")
TRACKS = "_tracks.txt"
NORMAL_CLASS = 0  # of TAD
NONE = (-1, -1)  # in the place of an event's frames


class Event(NamedTuple):
    """First and last frame, counted from 0, both included, and what happens."""

    first: int
    last: int
    name: str = ""


class Span(NamedTuple):
    """When an event begins and ends, in seconds from the start of the recording, and what happens."""

    start: float
    end: float
    name: str = ""


_Event = TypeVar("_Event", Event, Span)


class Annotations(NamedTuple):
    """The form of the annotations, and the events and total frames (where given) by the names they use for videos."""

    format: str
    events: dict[str, list[Event | Span]]
    frames: dict[str, int]


def read(path: Path, expected: str | None = None) -> Annotations:
    """Read annotations in any of the forms. An empty list of events says that nothing happens in the video.

    Raises UserError for annotations that cannot be read or are of another form than `expected`, and for a malformed
    event, naming the line.
    """
    annotations = _folder(path) if path.is_dir() else _file(path, expected)
    if expected is not None and annotations.format != expected:
        raise UserError(
            f"{path}: these annotations are of the form {annotations.format}, not {expected}, as the data set's are; "
            "put its own there, or name yours in `ground_truth: annotations`"
        )
    return annotations


def content_digest(path: Path) -> str:
    """A digest that changes with the annotations; empty when they cannot be read."""
    try:
        if not path.is_dir():
            return hashlib.sha256(read_file(path)).hexdigest()
        digest = hashlib.sha256()
        for each in _files_of(path):
            status = each.stat()
            digest.update(f"{each.relative_to(path)} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()
    except OSError:
        return ""


def _file(path: Path, expected: str | None) -> Annotations:
    try:
        text = read_file(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct `ground_truth: annotations`") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); correct `ground_truth: annotations`") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text in UTF-8 ({error}); save it as one") from None
    lines = {number: line.split() for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    if not lines:
        raise UserError(f"{path}: holds no annotations; name the right file in `ground_truth: annotations`")
    understood: set[int] = set()
    forms = (("ucf_crime", _ucf_crime), ("tad", _tad), ("xd_violence", _xd_violence))
    for form, parse in sorted(forms, key=lambda form: form[0] != expected):  # a line may be of two
        parsed = {number: line for number, words in lines.items() if (line := parse(words))}
        if len(parsed) == len(lines):
            return _lines(path, form, parsed)
        understood |= parsed.keys()
    head = next(line for line in text.splitlines() if line.strip())
    if "," in head or "\t" in head or head.strip() == "video_name":
        return _table(path, text, "\t" if "\t" in head and "," not in head else ",")
    wrong = next((number for number in lines if number not in understood), 1)
    raise UserError(
        f"{path}, line {wrong}: no annotation of a known form; write the columns video_name, start_annotation, "
        "end_annotation, or take the data set's own file (docs/data.md has the forms)"
    )


class _Line(NamedTuple):
    """A line of a text: the video's name, its events, and its total frames."""

    video: str
    events: list[Event]
    frames: int | None = None


def _ucf_crime(words: Sequence[str]) -> _Line | None:
    """name, class, first and last frame of each event, -1 for none."""
    if len(words) < 4 or len(words) % 2 or _numbers(words[1:2]) is not None or (frames := _numbers(words[2:])) is None:
        return None
    return _Line(words[0], [Event(*pair, words[1]) for pair in _paired(frames) if pair != NONE])


def _tad(words: Sequence[str]) -> _Line | None:
    """name, total frames, class, first and last frame of each event. In the other forms no pair runs backward."""
    numbers = _numbers(words[1:])
    if numbers is None or len(numbers) < 4 or len(numbers) % 2 or numbers[0] <= numbers[1]:
        return None
    total, kind, *frames = numbers
    events = [Event(*pair) for pair in _paired(frames) if pair != NONE]
    return _Line(words[0], events if kind != NORMAL_CLASS else [], total)


def _xd_violence(words: Sequence[str]) -> _Line | None:
    """name, first and last frame of each event, or class, first and last frame of each."""
    frames = _numbers(words[1:])
    if frames is not None:
        if not frames or len(frames) % 2:
            return None
        return _Line(words[0], [Event(*pair) for pair in _paired(frames) if pair != NONE])
    kinds, bounds = words[1::3], [*zip(words[2::3], words[3::3], strict=False)]
    frames = _numbers([word for pair in bounds for word in pair])
    if frames is None or len(words) % 3 != 1 or _numbers(kinds) is not None:
        return None
    events = zip(kinds, _paired(frames), strict=True)
    return _Line(words[0], [Event(*pair, kind) for kind, pair in events if pair != NONE])


def _numbers(words: Sequence[str]) -> list[int] | None:
    """The words as whole numbers; None unless all are."""
    try:
        return [int(word) for word in words]
    except ValueError:
        return None


def _paired(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(numbers[::2], numbers[1::2], strict=True)


def _lines(path: Path, form: str, lines: Mapping[int, _Line]) -> Annotations:
    events: dict[str, list[Event | Span]] = defaultdict(list)
    frames: dict[str, int] = {}
    for number, line in lines.items():
        events[line.video] += [_forward(event, line.video, f"{path}, line {number}") for event in line.events]
        if line.frames is not None:
            frames[line.video] = line.frames
    return Annotations(form, dict(events), frames)


def _forward(event: _Event, video: str, place: str) -> _Event:
    """The event itself. Raises UserError if it ends before it starts."""
    start, end = event[:2]
    if end < start:
        unit = "second" if isinstance(event, Span) else "frame"
        raise UserError(
            f"{place}: the event of {video} ends ({unit} {end}) before it starts ({unit} {start}); correct it"
        )
    return event


def _table(path: Path, text: str, delimiter: str) -> Annotations:
    reader = csv.DictReader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        if "name" in columns and set(MSAD) <= set(columns):
            return _msad(path, reader)
        bounds = SECONDS if set(SECONDS) <= set(columns) else FRAMES
        if missing := [name for name in ("video_name", *bounds) if name not in columns]:
            raise UserError(f"{path}: no column {', '.join(missing)} in the first line; add it")
        events: dict[str, list[Event | Span]] = defaultdict(list)
        for row in reader:
            name = (row["video_name"] or "").strip()
            events[name] += _events_of(row, name, bounds, f"{path}, line {reader.line_num}")
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV file ({error}); save it as one") from None
    return Annotations("csv", dict(events), {})


def _events_of(row: Mapping[str, str | None], video: str, bounds: tuple[str, str], place: str) -> list[Event | Span]:
    if (row.get("second_event") or "0").strip() not in ("", "0"):
        raise UserError(f"{place}: second_event is not read; give every event a row of its own")
    name = (row.get(NAME) or "").strip()
    start, end = ((row[column] or "").strip() for column in bounds)
    if bounds == SECONDS:
        begin, until = _seconds(start), _seconds(end)
        if begin is None or until is None:
            raise UserError(f"{place}: start_seconds and end_seconds must be like 12.5 or 0:01:12.5")
        span = _forward(Span(begin, until, name), video, place)
        return [span] if until >= 0 else []
    if (frames := _numbers([start, end])) is None:
        raise UserError(f"{place}: start_annotation and end_annotation must be whole frame numbers")
    (pair,) = _paired(frames)
    return [_forward(Event(*pair, name), video, place)] if max(pair) >= 0 else []


def _seconds(text: str) -> float | None:
    """`12.5`, `1:12.5` and `0:01:12.5`; None for anything else."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        return None
    if len(parts) > 3 or not np.isfinite(parts).all():
        return None
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _msad(path: Path, reader: csv.DictReader) -> Annotations:
    """Read MSAD's table: one event a video, frames counted from 1; no frames in normal videos."""
    events: dict[str, list[Event | Span]] = defaultdict(list)
    frames: dict[str, int] = {}
    for row in reader:
        place, video = f"{path}, line {reader.line_num}", (row["name"] or "").strip()
        start, end = ((row[column] or "").strip() or "-1" for column in MSAD)
        if (bounds := _numbers([start, end])) is None:
            raise UserError(f"{place}: {' and '.join(MSAD)} must be whole frame numbers")
        (pair,) = _paired(bounds)
        first, last, _ = _forward(Event(*pair), video, place)
        events[video] += [Event(first - 1, last - 1)] if last > 0 else []
        if (total := _numbers([(row.get("total frames") or "").strip()])) is not None:
            frames[video] = total[0]
    return Annotations("msad", dict(events), frames)


def _folder(path: Path) -> Annotations:
    files = _files_of(path)
    if not files:
        raise UserError(
            f"{path}: holds neither masks (<video>.npy) nor tracks (<video>{TRACKS}); put them "
            "there, or name others in `ground_truth: annotations`"
        )
    events: dict[str, list[Event | Span]] = {}
    frames: dict[str, int] = {}
    sources: dict[str, Path] = {}
    are_tracks = files[0].name.endswith(TRACKS)
    for each in files:
        own: list[Event | Span]
        if are_tracks:
            video, own = each.name.removesuffix(TRACKS), list(_tracks(each))
        else:
            mask = _mask(each)
            video, own = each.stem, list(_runs(mask))
            frames[video] = len(mask)
        if events.setdefault(video, own) != own:
            raise UserError(f"{sources[video]} and {each} differ; remove one of them")
        sources[video] = each
    return Annotations("tracks" if are_tracks else "masks", events, frames)


def _files_of(path: Path) -> list[Path]:
    """The tracks below a folder or, without any, the masks."""
    tracks, masks = [], []
    for folder, _, files in walk(path):
        tracks += [folder / name for name in files if name.endswith(TRACKS)]
        masks += [folder / name for name in files if name.endswith(".npy")]
    return tracks or masks


def _tracks(path: Path) -> Iterable[Event]:
    """Read UBnormal's tracks: `object,first,last` a line."""
    try:
        text = read_file(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable text ({error}); correct it") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            first, last = (int(float(word)) for word in line.replace(",", " ").split()[1:3])
        except (ValueError, OverflowError):
            raise UserError(f"{path}, line {number}: must be object,first,last; correct it") from None
        yield _forward(Event(first, last), path.name.removesuffix(TRACKS), f"{path}, line {number}")


def _mask(path: Path) -> np.ndarray:
    """Read a mask, bool (frames,)."""
    try:
        mask = np.squeeze(np.lib.format.read_array(BytesIO(read_file(path)), allow_pickle=False))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable mask ({str(error).splitlines()[0]}); correct it") from None
    if mask.ndim != 1:
        raise UserError(f"{path}: a mask has one value per frame, not the shape {mask.shape}; correct it")
    return mask != 0


def _runs(mask: np.ndarray) -> Iterable[Event]:
    """The runs of marked frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield Event(first, end - 1)
