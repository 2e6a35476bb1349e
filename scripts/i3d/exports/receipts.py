"""Files that appear whole or not at all, and receipts by which spoiled ones are known.

A trainer's own scripts may write over what lies beside our lists: Smart-Surveillance's generate_gt.py writes
`test_gt.npy` there. A receipt, in `.written/` beside the files, holds a digest of each file of one export.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from i3d.digests import file_sha256
from i3d.errors import UserError

RECEIPTS = ".written"


def publish(receipt: Path, files: Mapping[Path, bytes], folder: Path | None = None) -> None:
    """Write `files`, then their receipt; none takes its place before all could be written.

    `folder` is one that is written already; the receipt counts its files and bytes.
    Raises UserError when a file cannot be written.
    """
    parts = {path: path.with_name(f".{path.name}.part") for path in (*files, receipt)}
    try:
        for path in parts:
            path.parent.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            parts[path].write_bytes(content)
        marks: dict[str, Any] = {path.name: _mark(parts[path]) for path in files}
        if folder is not None:
            marks[folder.name] = _mark(folder)
        parts[receipt].write_text(json.dumps(marks, indent=2) + "\n")
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise UserError(f"{error.filename or receipt}: cannot be written ({error.strerror})") from None
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def discard_spoiled(folder: Path) -> list[str]:
    """Delete the receipts of `folder` for files that are gone or not as written; returns these files.

    Snakemake then makes them again.
    """
    found = []
    for receipt in sorted((folder / RECEIPTS).glob("*")):
        try:
            marks = json.loads(receipt.read_text())
            names = [name for name, mark in marks.items() if _mark(folder / name) != mark]
        except (OSError, ValueError, AttributeError):
            names = [f"{RECEIPTS}/{receipt.name}"]
        if names:
            receipt.unlink(missing_ok=True)
            found += [str(folder / name) for name in names]
    return found


def _mark(path: Path) -> str | dict[str, int] | None:
    """What tells a file, or roughly a folder, from another: a link counts as what it leads to."""
    if path.is_dir():
        sizes = [each.stat().st_size for each in path.rglob("*") if each.is_file()]
        return {"files": len(sizes), "bytes": sum(sizes)}
    return file_sha256(path) if path.exists() else None


def text_of(lines: Iterable[str]) -> bytes:
    """One line each."""
    return "".join(f"{line}\n" for line in lines).encode()


def csv_of(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as CSV."""
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def json_of(value: Any) -> bytes:
    """A value as JSON."""
    return json.dumps(value).encode()


def npy_of(array: np.ndarray) -> bytes:
    """An array as .npy; one of objects is pickled, as VadCLIP loads it."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=array.dtype == object)
    return buffer.getvalue()
