"""metadata.csv as its readers want it: the exports and the report."""

import csv
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError

REQUIRED = ("video", "feature_file", "status", "split", "category", "label", "snippets", "fps")


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

    Raises UserError when the file is missing, is not such a table, or holds no video.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run the workflow first, it writes this table.") from None
    if not table:
        raise UserError(f"{path} lists no video: run the workflow first.")
    if missing := [column for column in REQUIRED if column not in table[0]]:
        raise UserError(f"{path} has no column {', '.join(missing)}: let the workflow write it again.")
    return [_row(cells) for cells in table]


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
        frames=integer("frames_decoded"),
        fps=number("fps"),
        resample_fps=number("resample_fps"),
        seconds=number("seconds"),
        damaged=cells.get("damaged") or "",
        device=cells.get("device") or "",
    )
