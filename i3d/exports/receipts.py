"""Write an export's files whole or not at all, with a receipt of which files are ours and what they were made from.

A receipt, in `.written/` beside the files of one export, names each of them with a mark of its content, and the state
of table and settings from which they were made. Nothing else is ever replaced or removed: a file that no receipt names
belongs to somebody else. A file that was overwritten (Smart-Surveillance's generate_gt.py writes `test_gt.npy` beside
our lists) no longer fits its mark, and is made again.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.files import read_file
from i3d.paths import is_below, is_clean
from i3d.quantities import named

RECEIPTS = ".written"


@dataclass(frozen=True)
class Link:
    """A symbolic link to `target`."""

    target: str


@dataclass(frozen=True)
class Lazy:
    """Content too large to hold for all files at once: `make` returns it, `key` changes with it."""

    key: str
    make: Callable[[], bytes]


Content = bytes | Lazy | Link
Files = Mapping[Path, Content]
Marks = dict[str, dict[str, Any]]  # of each file, by its path below the folder


@dataclass(frozen=True)
class Receipt:
    """The marks of an export's files, and the state from which they were made; both empty for a damaged receipt."""

    marks: Marks = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def read_receipt(path: Path) -> Receipt:
    """Read a receipt, without marks that name a place outside its folder."""
    try:
        content = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError):
        return Receipt()
    if not isinstance(content, dict):
        return Receipt()
    # Receipts of earlier releases are the marks alone.
    marks, state = (content["files"], content["state"]) if content.keys() == {"files", "state"} else (content, {})
    if not (isinstance(marks, dict) and isinstance(state, dict)):
        return Receipt()
    return Receipt({name: mark for name, mark in marks.items() if isinstance(mark, dict) and is_clean(name)}, state)


def receipts_in(folder: Path) -> dict[str, Path]:
    """The receipts of a folder by their names."""
    return {path.name: path for path in sorted((folder / RECEIPTS).glob("*")) if read_receipt(path).marks}


def spoiled(receipt: Path) -> list[Path]:
    """The files of an export that are gone or have changed since they were written."""
    folder = receipt.parents[1]
    return [folder / name for name, mark in read_receipt(receipt).marks.items() if not _fits(folder / name, mark)]


def publish(receipt: Path, files: Files, state: dict[str, Any] | None = None) -> list[Path]:
    """Put the files of one export in place, in their folder or below it, and remove files it no longer has.

    `receipt` is `folder/.written/name`. Files that already have their content are left alone; all others are written
    aside before the first takes its place. Returns the paths written or removed.
    Raises UserError when a file of somebody else's is in the way, or one cannot be written.
    """
    folder = receipt.parents[1]
    before = read_receipt(receipt)
    ours, others = before.marks, _marks_of_others(receipt)
    aside = receipt.with_name(f"{receipt.name}.parts")
    marks: Marks = {}
    parts: dict[Path, Path] = {}
    try:
        _refuse_strangers(files, folder, ours.keys() | others.keys())
        _clear(aside)
        for path, content in files.items():
            name = _name(path, folder)
            if _is_done(path, content, ours.get(name)):
                marks[name] = ours[name]
            else:
                aside.mkdir(parents=True, exist_ok=True)
                parts[path] = aside / str(len(parts))
                marks[name] = _write(parts[path], content)
        gone = [name for name in ours if name not in marks and name not in others]
        if parts or gone:
            _write_receipt(receipt, ours | _without_keys(marks), {})  # from here on the new names are ours too
        for path, part in parts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
        removed = [folder / name for name in gone if _remove(folder, name, ours[name])]
        if parts or (marks, state or {}) != (ours, before.state):
            _write_receipt(receipt, marks, state or {})
    except OSError as error:
        raise UserError(
            f"{error.filename2 or error.filename or receipt}: cannot be written ({error.strerror})"
        ) from None
    finally:
        with suppress(OSError):
            _clear(aside)
    return [*parts, *removed]


def withdraw(receipt: Path) -> list[Path]:
    """Remove the files of an export that is no longer made, and its receipt; returns the removed files.

    A file that somebody has changed stays, and is no longer ours.
    """
    folder, others = receipt.parents[1], _marks_of_others(receipt)
    marks = read_receipt(receipt).marks
    try:
        removed = [folder / name for name, mark in marks.items() if name not in others and _remove(folder, name, mark)]
        receipt.unlink()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be removed ({error.strerror})") from None
    return removed


def _refuse_strangers(paths: Iterable[Path], folder: Path, ours: Collection[str]) -> None:
    """Raise UserError if something we did not write is in the place of a file, or leads out of the folder.

    Raises OSError for a place that cannot be written at all.
    """
    strangers = []
    below: dict[Path, bool] = {}
    for path in paths:
        if path.parent not in below:
            below[path.parent] = is_below(path.parent, folder)
        if not below[path.parent] or (_is_there(path) and _name(path, folder) not in ours):
            strangers.append(str(path))
    if strangers:
        raise UserError(
            f"{named(strangers)}: not written by this workflow, and in the place of an export; move it away, or set "
            "the export's folder elsewhere"
        )


def _without_keys(marks: Marks) -> Marks:
    """The marks while files take their places: a file of the right size is ours, but may have its old content."""
    return {name: {key: value for key, value in mark.items() if key != "key"} for name, mark in marks.items()}


def _is_there(path: Path) -> bool:
    """Whether anything is at a path; unlike `os.path.lexists`, raises OSError for a path that cannot be looked at."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _is_done(path: Path, content: Content, mark: Mapping[str, Any] | None) -> bool:
    """Whether a file of ours already has this content."""
    if mark is None or not _fits(path, mark):
        return False
    if isinstance(content, Lazy):
        return mark.get("key") == content.key
    if isinstance(content, Link):
        return mark.get("link") == content.target
    return mark.get("sha256") == hashlib.sha256(content).hexdigest()


def _write(part: Path, content: Content) -> dict[str, Any]:
    """Write one file; returns its mark."""
    if isinstance(content, Link):
        part.symlink_to(content.target)
        return {"link": content.target}
    if isinstance(content, Lazy):
        return {"bytes": part.write_bytes(content.make()), "key": content.key}
    part.write_bytes(content)
    return {"sha256": hashlib.sha256(content).hexdigest()}


def _fits(path: Path, mark: Mapping[str, Any]) -> bool:
    """Whether a file matches its mark."""
    try:
        if "link" in mark:
            return str(path.readlink()) == mark["link"]
        return path.stat().st_size == mark["bytes"] if "bytes" in mark else file_sha256(path) == mark["sha256"]
    except (OSError, KeyError):
        return False


def _remove(folder: Path, name: str, mark: Mapping[str, Any]) -> bool:
    """Remove a file of ours that nobody has changed, and any folders left empty; returns whether it was removed."""
    path = folder / name
    if not (is_below(path.parent, folder) and _fits(path, mark)):
        return False
    path.unlink()
    for above in path.relative_to(folder).parents[:-1]:
        try:
            (folder / above).rmdir()
        except OSError:
            break
    return True


def _clear(aside: Path) -> None:
    """Remove files that this process, or an earlier killed one, wrote aside."""
    if aside.is_dir() and not aside.is_symlink():
        for part in aside.iterdir():
            if part.name.isdecimal():
                part.unlink()
        aside.rmdir()


def _write_receipt(receipt: Path, marks: Marks, state: dict[str, Any]) -> None:
    receipt.parent.mkdir(parents=True, exist_ok=True)
    part = receipt.with_name(f".{receipt.name}.part")
    part.write_text(json.dumps({"state": state, "files": marks}, indent=1) + "\n")
    part.replace(receipt)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _marks_of_others(receipt: Path) -> Marks:
    marks: Marks = {}
    for other in receipt.parent.glob("*"):
        if other.name != receipt.name and other.is_file():
            marks |= read_receipt(other).marks
    return marks


def text_of(lines: Iterable[str]) -> bytes:
    """Encode lines as text, each ended by a line feed."""
    return "".join(f"{line}\n" for line in lines).encode()


def csv_of(rows: Iterable[Sequence[str]]) -> bytes:
    """Encode rows as CSV."""
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def json_of(value: Any) -> bytes:
    """Encode a value as JSON."""
    return json.dumps(value).encode()


def npy_of(array: np.ndarray) -> bytes:
    """Encode an array as .npy; an array of objects is pickled, as VadCLIP loads it."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=array.dtype == object)
    return buffer.getvalue()
