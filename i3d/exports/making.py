"""Making a target's exports: what is out of date, all of it from one state of table and settings.

The state is on every receipt. What was made before beside a target's files is made again when the state has changed, so
that lists, ground truth and the lines for trainers fit each other; what cannot be, or would copy all crops, is named.
"""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3d.config import beyond_defaults
from i3d.datasets.naming import find_annotations
from i3d.digests import file_sha256, json_digest
from i3d.errors import UserError
from i3d.exports import annotation_formats
from i3d.exports.all_exports import EXPORTS, TARGETS, Export, crops_folder
from i3d.exports.places import refuse_linked_overlap
from i3d.exports.receipts import (
    RECEIPTS,
    Files,
    publish,
    read_receipt,
    receipts_in,
    spoiled,
    withdraw,
)
from i3d.exports.source import NO_ANNOTATIONS, Source
from i3d.quantities import count, named
from i3d.records.work_folder import WorkFolder
from i3d.results.names import METADATA
from i3d.settings import Settings

FORMAT = 1  # to be raised when the exports of equal tables and settings change
# What exports depend on.
SETTINGS = ("dataset", "split_lists", "test_split", "snippet_times", "lists", "ground_truth", "crops")


@dataclass
class Outcome:
    """What a call did: files written or removed, the texts of some, and what is to be said."""

    written: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    files: int = 0  # of the target, old and new


@dataclass(frozen=True)
class _Unit:
    """One export of one split."""

    export: Export
    split: str
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / self.export.name.format(split=self.split)

    @property
    def receipt(self) -> Path:
        return self.folder / RECEIPTS / self.path.name


def make(target: str, metadata: Path, settings: Settings, asked: Collection[str] = ()) -> Outcome:
    """Make what is due of one target, and of what was made before beside it.

    `metadata` is the table at the top of a features tree. `asked` are all targets of the run, whose files are not
    reported as older. Raises UserError when nothing can be made.
    """
    source = Source(metadata, settings, _annotations_before(settings))
    with _alone(source.features):
        return _Making(target, source, _state(source, metadata)).run({target, *asked})


def check_annotations(target: str, settings: Settings) -> None:
    """Raise UserError, before features are made, if a target wants annotations and there are none.

    Before the first features of all, if they cannot be read, too.
    """
    if target != "ground_truth" or _annotations_before(settings):
        return
    if settings.ground_truth.annotations:
        found: tuple[Path, str | None] | None = (Path(settings.ground_truth.annotations), None)
    else:
        found = find_annotations(settings)
    if found is None:
        raise UserError(NO_ANNOTATIONS)
    if not Path(settings.features, METADATA).exists():
        annotation_formats.read(*found)


class _Making:
    def __init__(self, target: str, source: Source, state: dict[str, Any]) -> None:
        self._target, self._source, self._state = target, source, state
        self._outcome = Outcome()
        self._wanted = [
            self._unit(export, split)
            for export in EXPORTS
            if target in export.targets.split()
            for split in export.splits(source)
        ]
        self._folders = {unit.folder for unit in self._wanted}

    def run(self, asked: Collection[str]) -> Outcome:
        kin, left_over, older = self._made_before(asked)
        due = [unit for unit in self._wanted + kin if self._is_due(unit)]
        self._say_what_differs(due)
        for folder in dict.fromkeys(unit.folder for unit in due):
            refuse_linked_overlap(folder, self._source.table, self._source.features, self._source.settings.videos)
        contents: dict[_Unit, Files] = {}
        for unit in due:
            try:
                contents[unit] = unit.export.files(self._source.split(unit.split), unit.path)
            except UserError as error:
                self._failed(unit, error)
        again = []
        for unit, files in contents.items():
            try:
                written = publish(unit.receipt, files, self._state)
            except UserError as error:
                self._failed(unit, error)
                continue
            self._outcome.written += written
            if unit not in kin:
                self._outcome.texts += [path.read_text() for path in files if path.suffix == ".txt"]
            elif written:
                again.append(str(unit.path))
        if again:
            self._outcome.notes.append(f"made again, to fit the others: {named(again)}")
        self._remove(left_over)
        self._say_what_is_older(older)
        self._outcome.warnings += self._source.warnings
        self._outcome.files = sum(len(read_receipt(unit.receipt).marks) for unit in self._wanted)
        return self._outcome

    def _unit(self, export: Export, split: str) -> _Unit:
        return _Unit(export, split, export.folder(self._source.settings))

    def _made_before(self, asked: Collection[str]) -> tuple[list[_Unit], list[_Unit], list[_Unit]]:
        """What earlier calls made beside the target's files: to be kept up, of no split any more, to be named only."""
        kin, left_over, older = [], [], []
        settings = self._source.settings
        for folder in dict.fromkeys(export.folder(settings) for export in EXPORTS):
            for unit in _units_in(folder, settings):
                if unit in self._wanted:
                    continue
                if folder == crops_folder(settings) and folder not in self._folders:
                    if not set(unit.export.targets.split()) & set(asked):
                        older.append(unit)
                elif unit.split in {*self._source.splits, settings.test_split}:
                    kin.append(unit)
                else:
                    left_over.append(unit)
        return kin, left_over, older

    def _is_due(self, unit: _Unit) -> bool:
        receipt = read_receipt(unit.receipt)
        if not receipt.marks:
            return True
        if broken := spoiled(unit.receipt):
            names = [str(path) for path in broken]
            self._outcome.warnings.append(f"{named(names)}: gone, or something else wrote over it; made again")
        return bool(broken) or receipt.state != self._state

    def _failed(self, unit: _Unit, error: UserError) -> None:
        if unit in self._wanted:
            if str(error) not in self._outcome.errors:
                self._outcome.errors.append(str(error))
        else:
            self._outcome.warnings.append(f"{unit.path} stays as it was made earlier, and may not fit: {error}")

    def _say_what_differs(self, due: list[_Unit]) -> None:
        now = _flat(self._state["settings"])
        for unit in due:
            state = read_receipt(unit.receipt).state
            before = _flat(state.get("settings", {}))
            if state and before != now:
                changes = [
                    f"`{key}` was {before.get(key, 'not set')} and is {now.get(key, 'not set')}"
                    for key in sorted({*before, *now})
                    if before.get(key) != now.get(key)
                ]
                self._outcome.warnings.append(
                    f"other settings than {unit.path} was made with: {'; '.join(changes)}; set what is to stay in "
                    "config/config.yaml"
                )
                return

    def _remove(self, units: list[_Unit]) -> None:
        for folder in {unit.folder for unit in units}:
            own = [unit for unit in units if unit.folder == folder]
            named_splits = named(sorted({unit.split for unit in own}))
            if folder == crops_folder(self._source.settings):
                names = [str(unit.path) for unit in own]
                self._outcome.warnings.append(f"{named(names)}: of the split {named_splits}, which is no longer made")
                continue
            removed = [path for unit in own for path in withdraw(unit.receipt)]
            self._outcome.written += removed
            names = [str(path) for path in removed]
            if names:
                self._outcome.notes.append(f"removed {named(names)}: no split {named_splits} is made any more")

    def _say_what_is_older(self, units: list[_Unit]) -> None:
        stale = [unit for unit in units if read_receipt(unit.receipt).state != self._state]
        if stale:
            targets = _targets_for(stale)
            self._outcome.warnings.append(
                f"{named([str(unit.path) for unit in stale], 3)}: made from an earlier table or with other settings; "
                f"the target{'s' if len(targets) > 1 else ''} {' '.join(targets)} will make them again"
            )


def _units_in(folder: Path, settings: Settings) -> Iterator[_Unit]:
    """The exports that have a receipt in a folder."""
    own = [export for export in EXPORTS if export.folder(settings) == folder]
    for name in receipts_in(folder):
        fits = [(export, split) for export in own if (split := export.split_of(name)) is not None]
        if fits:
            export, split = max(fits, key=lambda fit: len(fit[0].name))
            yield _Unit(export, split or settings.test_split, folder)


def _targets_for(units: list[_Unit]) -> list[str]:
    """The fewest targets, as far as taking one after the other finds them, that make all of these."""
    names = {name for unit in units for name in [unit.export.targets]}
    found: list[str] = []
    for target in sorted(TARGETS, key=lambda target: -sum(target in name.split() for name in names)):
        if any(target in name.split() and not set(found) & set(name.split()) for name in names):
            found.append(target)
    return found


def _state(source: Source, metadata: Path) -> dict[str, Any]:
    """What exports come from, in the form of JSON."""
    settings = source.settings
    events = source.annotations_path
    parts = [
        FORMAT,
        file_sha256(metadata),
        str(source.features.absolute()),
        [str(export.folder(settings).absolute()) for export in EXPORTS],
        annotation_formats.content_digest(Path(events)) if events else None,
    ]
    chosen = beyond_defaults(settings, *SETTINGS)
    return {"digest": json_digest([*parts, chosen]), "settings": chosen, "annotations": events}


def _annotations_before(settings: Settings) -> str | None:
    """The annotations that ground truth beside the lists was made from, if they are still there."""
    if settings.ground_truth.annotations:
        return None
    for folder in dict.fromkeys(export.folder(settings) for export in EXPORTS):
        for receipt in receipts_in(folder).values():
            path = read_receipt(receipt).state.get("annotations")
            if isinstance(path, str) and Path(path).exists():
                return path
    return None


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


@contextmanager
def _alone(features: Path) -> Iterator[None]:
    """One target at a time: some share files. Where no lock can be had, all go on."""
    path = WorkFolder.beside(features).root / "exports.lock"
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("a")
    except OSError:
        yield
        return
    with file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def said(outcome: Outcome, target: str) -> str:
    """What a call did, in a line or two."""
    lines = [*outcome.notes]
    if not outcome.written and not outcome.errors:
        lines.append(f"{target}: nothing to be done, its {count(outcome.files, 'file')} are as table and settings say")
    elif outcome.written:
        lines.append(f"{target}: {count(len(outcome.written), 'file')} written or removed")
    return "\n".join(lines)
