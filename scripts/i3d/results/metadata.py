"""metadata.csv as its readers want it: the exports and the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d.errors import UserError
from i3d.records.outcomes import OK
from i3d.results import tables

REQUIRED = ("video", "feature_file", "status", "split", "category", "label", "snippets", "crops", "fps")


@dataclass(frozen=True)
class Row:
    """One video. Numbers that the table leaves empty are None; `frames` is what was decoded."""

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

    @property
    def subset(self) -> str:
        """The video's folder below the videos tree, as a reader would name the subset."""
        return self.video.rpartition("/")[0] or "."


def read_metadata(path: Path) -> list[Row]:
    """Read `path`, one Row per video, in the table's order.

    Raises UserError when the file is missing, holds no video or lacks a column.
    """
    table = tables.read_metadata(path)
    if not table:
        raise UserError(f"{path}: no such table, or an empty one; run the workflow first, it writes it")
    if missing := [column for column in REQUIRED if column not in table[0]]:
        raise UserError(f"{path}: no column {', '.join(missing)}; let the workflow write the table again")
    return [_row(cells) for cells in table]


def splits(rows: Iterable[Row], categories: Sequence[str] = ()) -> list[str]:
    """The splits that have features, sorted; of these `categories` only, unless empty."""
    return sorted({row.split for row in rows if is_wanted(row, categories)} - {""})


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

    return Row(
        video=cells["video"],
        feature_file=cells["feature_file"],
        status=cells["status"],
        reason=cells.get("reason") or "",
        split=cells["split"],
        category=cells["category"],
        label=integer("label"),
        snippets=integer("snippets"),
        crops=integer("crops"),
        frames=integer("frames_decoded"),
        fps=number("fps"),
        resample_fps=number("resample_fps"),
        seconds=number("seconds"),
        damaged=cells.get("damaged") or "",
        device=cells.get("device") or "",
    )
