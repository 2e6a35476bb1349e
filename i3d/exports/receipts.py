"""Files that appear whole or not at all, and receipts that say which files are ours.

A receipt, in `.written/` beside the files of one export, names each of them with a mark of its content. Nothing else is
ever replaced or removed: what no receipt names belongs to somebody else. A file that was written over afterwards
(Smart-Surveillance's generate_gt.py writes `test_gt.npy` beside our lists) no longer fits its mark, and is made again.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.paths import is_below, is_clean
from i3d.quantities import named

RECEIPTS = ".written"
SPOILED = ".spoiled"  # a receipt whose files are not as it says; they are still ours


@dataclass(frozen=True)
class Link:
    """A symbolic link to `target`."""

    target: str


Content = bytes | Callable[[], bytes] | Link  # a function for what is too large to be held for all files at once
Marks = dict[str, dict[str, Any]]  # of each file, by its path below the folder


def publish(receipt: Path, files: Mapping[Path, Content]) -> None:
    """Put the files of one export in place, in their folder or below it, and remove those that it no longer has.

    `receipt` is `folder/.written/name`. All files are written aside before the first takes its place.
    Raises UserError when a file of somebody else's is in the way, or one cannot be written.
    """
    folder = receipt.parents[1]
    ours, others = _marks(receipt), _marks_of_others(receipt)
    aside = receipt.with_name(f"{receipt.name}.parts")
    parts = {path: aside / str(number) for number, path in enumerate(files)}
    marks: Marks = {}
    try:
        _refuse_strangers(files, folder, ours.keys() | others.keys())
        _clear(aside)
        aside.mkdir(parents=True)
        for path, content in files.items():
            marks[_name(path, folder)] = _write(parts[path], content)
        _write_receipt(receipt, ours | marks)  # from here on the new names are ours too
        for path, part in parts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
        for name in ours.keys() - marks.keys() - others.keys():
            _remove(folder, name, ours[name])
        _write_receipt(receipt, marks)
        receipt.with_name(receipt.name + SPOILED).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{error.filename2 or error.filename or receipt}: cannot be written ({error.strerror})"
        ) from None
    finally:
        with suppress(OSError):
            _clear(aside)


def discard_spoiled(folder: Path) -> list[str]:
    """Put receipts of `folder` aside whose files are gone or not as written; returns these files.

    Snakemake then makes them again.
    """
    found = []
    for receipt in sorted((folder / RECEIPTS).glob("*")):
        if receipt.suffix == SPOILED or not receipt.is_file():
            continue
        marks = _read(receipt)
        names = [name for name, mark in marks.items() if not _fits(folder / name, mark)]
        if names or not marks:
            receipt.replace(receipt.with_name(receipt.name + SPOILED))
            found += [str(folder / name) for name in names] or [str(receipt)]
    return found


def _refuse_strangers(paths: Iterable[Path], folder: Path, ours: Collection[str]) -> None:
    """Raise UserError if something that we did not write is in the place of a file, or leads out of the folder.

    Raises OSError for a place that cannot be written at all.
    """
    strangers = []
    for path in paths:
        if not is_below(path.parent, folder) or (_is_there(path) and _name(path, folder) not in ours):
            strangers.append(str(path))
    if strangers:
        raise UserError(
            f"{named(strangers)}: not written by this workflow, and in the place of an export; move it away, or set "
            "the export's folder elsewhere"
        )


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _write(part: Path, content: Content) -> dict[str, Any]:
    """Write one file; returns its mark."""
    if isinstance(content, Link):
        part.symlink_to(content.target)
        return {"link": content.target}
    if isinstance(content, bytes):
        part.write_bytes(content)
        return {"sha256": hashlib.sha256(content).hexdigest()}
    return {"bytes": part.write_bytes(content())}


def _fits(path: Path, mark: Mapping[str, Any]) -> bool:
    """Whether a file is as it was written, as far as its mark tells."""
    try:
        if "link" in mark:
            return str(path.readlink()) == mark["link"]
        return path.stat().st_size == mark["bytes"] if "bytes" in mark else file_sha256(path) == mark["sha256"]
    except (OSError, KeyError):
        return False


def _remove(folder: Path, name: str, mark: Mapping[str, Any]) -> None:
    """Remove a file of ours that nobody has changed, and the folders that it leaves empty."""
    path = folder / name
    if not (is_below(path.parent, folder) and _fits(path, mark)):
        return
    path.unlink()
    for above in path.relative_to(folder).parents[:-1]:
        try:
            (folder / above).rmdir()
        except OSError:
            return


def _clear(aside: Path) -> None:
    """Remove what was written aside, now or by a process that was killed."""
    if aside.is_dir() and not aside.is_symlink():
        for part in aside.iterdir():
            if part.name.isdecimal():
                part.unlink()
        aside.rmdir()


def _write_receipt(receipt: Path, marks: Marks) -> None:
    part = receipt.with_name(f".{receipt.name}.part")
    part.write_text(json.dumps(marks, indent=1) + "\n")
    part.replace(receipt)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _marks(receipt: Path) -> Marks:
    """What a receipt, or the one that was put aside, says is ours."""
    return _read(receipt.with_name(receipt.name + SPOILED)) | _read(receipt)


def _marks_of_others(receipt: Path) -> Marks:
    found: Marks = {}
    for other in receipt.parent.glob("*"):
        if other.name.removesuffix(SPOILED) != receipt.name and other.is_file():
            found |= _read(other)
    return found


def _read(receipt: Path) -> Marks:
    """The marks in a receipt; none of what is damaged, or names a place outside of its folder."""
    try:
        content = json.loads(receipt.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: mark for name, mark in content.items() if isinstance(mark, dict) and is_clean(name)}


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
