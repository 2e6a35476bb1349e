"""metadata.csv: a row per video, written at the end of a run, read by the exports and the report."""

import csv
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import get_type_hints

import msgspec

from i3d.errors import UserError, warn_once
from i3d.files import keep_aside, open_regular, read_file, write_atomically
from i3d.records.record import COLUMNS, OK, Row, VideoRecord
from i3d.results.names import Naming, by_path

AGAIN = "let the workflow write it again: remove it and run snakemake"
REQUIRED = ("video", "feature_file", "status", "split", "category", "label", "snippets", "crops", "fps")
NUMBERS = {name for name, hint in get_type_hints(Row).items() if hint in (int | None, float | None)}
WHOLE = re.compile(r"\.0+$")  # appended by programs that read whole numbers as floats
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # the beginning of texts that a spreadsheet would evaluate


def write_metadata(path: Path, records: Iterable[VideoRecord], names: Mapping[str, Naming] | None = None) -> None:
    """Write the table, with empty cells for unknown values. A file that is no such table is kept beside it.

    Split, category and label come from `names`, or without them from the folders.
    """
    if not is_table(path):
        keep_aside(path)
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        name = by_path(record.video) if names is None else names.get(record.video, Naming())
        cells = msgspec.structs.asdict(name) | msgspec.structs.asdict(record)
        cells["reason"] = "; ".join(filter(None, (record.reason, name.reason))) or None
        writer.writerow({name: _as_text(value) for name, value in cells.items()})
    write_atomically(path, text.getvalue())


def _as_text(value: object) -> object:
    """Put a quote before a text that a spreadsheet would evaluate as a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def without_rows(path: Path, features: Collection[str]) -> str:
    """Return the table's text without the rows of some feature files. Raises UserError when it cannot be read."""
    gone, column = {_as_text(feature) for feature in features}, COLUMNS.index("feature_file")
    text = StringIO()
    with _readable(path):
        rows = [row for row in csv.reader(_open(path)) if row and gone.isdisjoint(row[column : column + 1])]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def is_table(path: Path) -> bool:
    """Whether a table may be written here: there is no file yet, or one of our tables, whole or cut off."""
    ours = ",".join(COLUMNS[:3]).encode()
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(len(ours)) in (ours[: path.stat().st_size], ours)
    except FileNotFoundError:
        return True


def read_metadata(path: Path) -> list[Row]:
    """Read the table into a Row per video, in its order; empty cells are None.

    Rows whose paths lead out of the trees are left out, with a warning. Raises UserError when the file is missing,
    holds no video or one video twice, lacks a column or is damaged.
    """
    table: list[dict[str, str]] = []
    with suppress(FileNotFoundError), _readable(path):
        table = list(csv.DictReader(_open(path)))
    if not table:
        raise UserError(f"{path}: no such table, or an empty one; run snakemake first, it writes it")
    if missing := [column for column in REQUIRED if column not in table[0]]:
        raise UserError(f"{path}: no column {', '.join(missing)}; {AGAIN}")
    rows: dict[str, Row] = {}
    for number, cells in enumerate(table, 2):
        try:
            known = {name: _as_read(name, text) for name, text in cells.items() if name and text}
            row = msgspec.convert(known, Row, strict=False)
        except msgspec.ValidationError as error:
            raise UserError(f"{path}, row {number}: a cell that does not fit its column ({error}); {AGAIN}") from None
        if not row.is_sound:
            warn_once(f"{path}: a damaged row is ignored, its paths do not fit: {row.video[:200]!a}")
        elif row.video in rows:
            raise UserError(f"{path}, row {number}: a second row of {row.video}; {AGAIN}")
        else:
            rows[row.video] = row
    return list(rows.values())


def _open(path: Path) -> StringIO:
    return StringIO(read_file(path).decode("utf-8-sig"), newline="")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors while reading a table, except for a missing file, into UserError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table ({error}); {AGAIN}") from None


def _as_read(name: str, text: str) -> str:
    if name in NUMBERS:
        return WHOLE.sub("", text)
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def is_wanted(row: Row, categories: Sequence[str] = ()) -> bool:
    """Whether the row has a feature and one of `categories`, where there are any."""
    return row.status == OK and (not categories or row.category in categories)
