"""metadata.csv: a row per video. Written at the end of a run; read by the exports and the report."""

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec

from i3d.errors import UserError, warn_once
from i3d.files import keep_aside, write_atomically
from i3d.paths import feature_of, is_clean
from i3d.records.record import COLUMNS, OK, VideoRecord
from i3d.results.names import category_of, label_of, split_of

BY_NAME = ("split", "category", "label")  # columns that a video's path tells
PLACE = COLUMNS.index("dim") + 1  # where these stand
TABLE_COLUMNS = (*COLUMNS[:PLACE], *BY_NAME, *COLUMNS[PLACE:])
REQUIRED = ("video", "feature_file", "status", "split", "category", "label", "snippets", "crops", "fps")


def write_metadata(path: Path, records: Iterable[VideoRecord]) -> None:
    """Write the table; a value that is not known is left empty. A file that is no such table is kept beside it."""
    if not _is_table(path):
        keep_aside(path)
    text = StringIO()
    writer = csv.DictWriter(text, TABLE_COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        category = category_of(record.video)
        by_name = {"split": split_of(record.video), "category": category, "label": label_of(category)}
        writer.writerow(msgspec.structs.asdict(record) | by_name)
    write_atomically(path, text.getvalue())


def remove_rows(path: Path, videos: Collection[str]) -> None:
    """Take the rows of some videos out of the table, and leave all others as they are."""
    text = StringIO()
    with path.open(newline="", encoding="utf-8") as file:
        csv.writer(text, lineterminator="\n").writerows(row for row in csv.reader(file) if row and row[0] not in videos)
    write_atomically(path, text.getvalue())


def _is_table(path: Path) -> bool:
    """Whether a table may be written here: there is none yet, or one of ours, whole or cut off."""
    ours = ",".join(TABLE_COLUMNS[:3]).encode()
    try:
        with path.open("rb") as file:
            return file.read(len(ours)) in (ours[: path.stat().st_size], ours)
    except FileNotFoundError:
        return True


@dataclass(frozen=True)
class Row:
    """One video, as read from the table. Numbers that it leaves empty are None; `frames` is what was decoded."""

    video: str
    feature_file: str
    status: str
    reason: str
    split: str
    category: str
    label: int | None
    snippets: int | None
    crops: int | None
    frames: int | None
    fps: float | None
    resample_fps: float | None
    seconds: float | None
    damaged: str
    device: str
    decoder: str = ""
    weights: str = ""
    weights_sha256: str = ""
    model: str = ""
    normalization: str = ""
    precision: str = ""
    sample_mode: str = ""
    frequency: int | None = None
    clip_length: int | None = None
    via_jpeg: str = ""
    dim: int | None = None
    bundle: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    versions: str = ""

    @property
    def subset(self) -> str:
        """The video's folder below the videos tree, as a reader would name the subset."""
        return self.video.rpartition("/")[0] or "."


def read_metadata(path: Path) -> list[Row]:
    """Read `path`, one Row per video, in the table's order.

    Raises UserError when the file is missing, holds no video, lacks a column or is damaged.
    """
    again = "let the workflow write it again: remove it and run snakemake"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
    except FileNotFoundError:
        table = []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table ({error}); {again}") from None
    if not table:
        raise UserError(f"{path}: no such table, or an empty one; run snakemake first, it writes it")
    if missing := [column for column in REQUIRED if column not in table[0]]:
        raise UserError(f"{path}: no column {', '.join(missing)}; {again}")
    try:
        rows = [_row(cells) for cells in table]
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: a cell that is no number where one belongs ({error}); {again}") from None
    for row in rows:
        if not _is_sound(row):
            warn_once(f"{path}: a damaged row is ignored, its paths do not fit: {row.video[:200]!a}")
    return [row for row in rows if _is_sound(row)]


def _is_sound(row: Row) -> bool:
    """Whether the row's paths stay below the trees."""
    return is_clean(row.video) and row.feature_file in ("", feature_of(row.video))


def is_wanted(row: Row, categories: Sequence[str] = ()) -> bool:
    """Whether the row has a feature and is of one of `categories`, or they are empty."""
    return row.status == OK and (not categories or row.category in categories)


def _row(cells: dict[str, str]) -> Row:
    def number(column: str) -> float | None:
        text = cells.get(column) or ""
        return float(text) if text else None

    def integer(column: str) -> int | None:
        value = number(column)
        return None if value is None else round(value)

    def text(column: str) -> str:
        return cells.get(column) or ""

    def moment(column: str) -> datetime | None:
        try:
            time = datetime.fromisoformat(text(column))
        except ValueError:
            return None
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    return Row(
        video=cells["video"],
        feature_file=cells["feature_file"],
        status=cells["status"],
        reason=text("reason"),
        split=cells["split"],
        category=cells["category"],
        label=integer("label"),
        snippets=integer("snippets"),
        crops=integer("crops"),
        frames=integer("frames_decoded"),
        fps=number("fps"),
        resample_fps=number("resample_fps"),
        via_jpeg=cells.get("via_jpeg") or "",
        seconds=number("seconds"),
        damaged=text("damaged"),
        device=text("device"),
        decoder=text("decoder"),
        weights=text("weights"),
        weights_sha256=text("weights_sha256"),
        model=text("model"),
        normalization=text("normalization"),
        precision=text("precision"),
        sample_mode=text("sample_mode"),
        frequency=integer("frequency"),
        clip_length=integer("clip_length"),
        dim=integer("dim"),
        bundle=text("bundle"),
        started=moment("started"),
        finished=moment("finished"),
        versions=text("versions"),
    )
