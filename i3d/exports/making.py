"""Make a target's exports: everything that is due, from one state of table and settings.

Every receipt holds that state. When it changes, what was made earlier beside a target's files is made again too, so
that lists, ground truth and the commands for trainers fit each other. What cannot be made again, or would copy all
crops, is named in a warning.
"""

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3d.config import beyond_defaults
from i3d.datasets.naming import AbsentError, find_annotations
from i3d.digests import file_sha256, json_digest
from i3d.errors import UserError
from i3d.exports import annotation_formats
from i3d.exports.all_exports import EXPORTS, TARGETS, Export
from i3d.exports.places import crops_folder, refuse_linked_overlap
from i3d.exports.receipts import RECEIPTS, Files, publish, read_receipt, receipts_in, spoiled, withdraw
from i3d.exports.source import NO_ANNOTATIONS, Source
from i3d.paths import is_below
from i3d.quantities import SPELT_OUT, count, named
from i3d.results.names import METADATA
from i3d.settings import Settings

MOST_LINES = 40  # of a text that is printed in full
FORMAT = 1  # raise it when the exports of equal tables and settings change
# Those that exports depend on.
SETTINGS = ("dataset", "split_lists", "test_split", "snippet_times", "lists", "ground_truth", "crops")


@dataclass
class Outcome:
    """What a call did: files written or removed, texts to print, and messages for the user."""

    written: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    files: int = 0  # of the target, old and new

    def summary(self, target: str) -> str:
        """The notes, and how many files were written, as lines."""
        lines = [*self.notes]
        if self.written:
            removed = sum(not os.path.lexists(path) for path in self.written)
            done = f"{target}: {count(len(self.written) - removed, 'file')} written"
            done += f", {removed:,} removed" if removed else ""
            lines.append(f"{done}: {named([path.name for path in self.written])}")
        elif not self.errors:
            lines.append(f"{target}: nothing to be done, its {count(self.files, 'file')} match table and settings")
        return "\n".join(lines)


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
    """Make what is due of one target, and of what was made earlier beside it.

    `metadata` is the table at the top of a features tree. `asked` are all targets of the run, whose files are not
    reported as older. Raises UserError when nothing can be made.
    """
    source = Source(metadata, settings, _annotations_before(settings))
    with _alone(source.features):
        return _Making(target, source, _state(source, metadata)).run({target, *asked})


def check_annotations(target: str, settings: Settings) -> None:
    """Raise UserError, before features are made, if a target needs annotations and there are none.

    Before the first features of a tree, also raise it for annotations that cannot be read.
    """
    if target != "ground_truth":
        return
    own = settings.ground_truth.annotations
    try:
        annotations = (Path(own), None) if own else find_annotations(settings)
        if annotations is None:
            raise AbsentError(NO_ANNOTATIONS)
    except AbsentError:
        if _annotations_before(settings):
            return
        raise
    if not Path(settings.features, METADATA).exists():
        annotation_formats.read(*annotations)


class _Making:
    """One call: makes the target's exports and gathers the outcome."""

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
        kept_up, abandoned, older = self._made_before(asked)
        due = [unit for unit in self._wanted + kept_up if self._is_due(unit)]
        self._warn_of_other_settings(due)
        for folder in dict.fromkeys(unit.folder for unit in due):
            refuse_linked_overlap(folder, self._source.table, self._source.features, self._source.settings.videos)
        contents: dict[_Unit, Files] = {}
        for unit in due:
            try:
                contents[unit] = unit.export.files(self._source.split(unit.split), unit.path)
            except UserError as error:
                self._note_failure(unit, error)
        again = []
        for unit, files in contents.items():
            try:
                written = publish(unit.receipt, files, self._state)
            except UserError as error:
                self._note_failure(unit, error)
                continue
            self._outcome.written += written
            if unit not in kept_up:
                self._outcome.texts += [_excerpt(path) for path in files if path.suffix == ".txt"]
            elif written:
                again.append(str(unit.path))
        if again:
            self._outcome.notes.append(f"made again, to fit the others: {named(again)}")
        self._remove(abandoned)
        self._warn_of_older(older)
        self._outcome.warnings += self._source.warnings
        self._outcome.files = sum(len(read_receipt(unit.receipt).marks) for unit in self._wanted)
        return self._outcome

    def _unit(self, export: Export, split: str) -> _Unit:
        return _Unit(export, split, export.folder(self._source.settings))

    def _made_before(self, asked: Collection[str]) -> tuple[list[_Unit], list[_Unit], list[_Unit]]:
        """What earlier calls made beside the target's files: to keep up, of no split any more, and only to be named."""
        kept_up, abandoned, older = [], [], []
        settings = self._source.settings
        for folder in dict.fromkeys(export.folder(settings) for export in EXPORTS):
            for unit in _units_in(folder, settings):
                if unit in self._wanted:
                    continue
                if folder == crops_folder(settings) and folder not in self._folders:
                    if not set(unit.export.targets.split()) & set(asked):
                        older.append(unit)
                elif unit.split in {*self._source.splits, settings.test_split}:
                    kept_up.append(unit)
                else:
                    abandoned.append(unit)
        return kept_up, abandoned, older

    def _is_due(self, unit: _Unit) -> bool:
        receipt = read_receipt(unit.receipt)
        if not receipt.marks:
            return True
        if broken := spoiled(unit.receipt):
            self._outcome.warnings.append(f"{_paths(broken)}: gone, or something else wrote over it; made again")
        return bool(broken) or receipt.state != self._state

    def _note_failure(self, unit: _Unit, error: UserError) -> None:
        if unit not in self._wanted:
            self._outcome.warnings.append(f"{unit.path} stays as it was made earlier, and may not fit: {error}")
            return
        if str(error) not in self._outcome.errors:
            self._outcome.errors.append(str(error))
        if read_receipt(unit.receipt).marks:
            self._outcome.warnings.append(f"{unit.path} stays as it was made earlier, and may not fit the others")

    def _warn_of_other_settings(self, due: list[_Unit]) -> None:
        """Warn of the features and the settings of an earlier call that are not those of this one, once."""
        now = _flat(self._state["settings"])
        for unit in due:
            state = read_receipt(unit.receipt).state
            features = state.get("features", self._state["features"])
            if features != self._state["features"] and os.path.lexists(features):
                self._outcome.warnings.append(
                    f"{unit.path} was of {features} and now is of {self._state['features']}; to have both, set `lists: "
                    "{folder: ...}` and `crops: {folder: ...}` for one of them"
                )
                return
            before = _flat(state.get("settings", {}))
            if state and before != now:
                changes = [
                    f"`{key}` was {before.get(key, 'not set')} and is {now.get(key, 'not set')}"
                    for key in sorted({*before, *now})
                    if before.get(key) != now.get(key)
                ]
                self._outcome.warnings.append(
                    f"other settings than {unit.path} was made with: {'; '.join(changes)}; put lasting settings into "
                    "config/config.yaml"
                )
                return

    def _remove(self, abandoned: list[_Unit]) -> None:
        """Remove the exports of splits that are no longer made; crop files are only named."""
        for folder in {unit.folder for unit in abandoned}:
            own = [unit for unit in abandoned if unit.folder == folder]
            splits = named(sorted({unit.split for unit in own}))
            if folder == crops_folder(self._source.settings):
                paths = _paths(unit.path for unit in own)
                self._outcome.warnings.append(f"{paths}: of the split {splits}, which is no longer made")
            elif removed := [path for unit in own for path in withdraw(unit.receipt)]:
                self._outcome.written += removed
                self._outcome.notes.append(f"removed {_paths(removed)}: no split {splits} is made any more")

    def _warn_of_older(self, units: list[_Unit]) -> None:
        states = {unit: read_receipt(unit.receipt).state for unit in units}
        ours = self._state["features"]
        if stale := [unit for unit, of in states.items() if of != self._state and of.get("features", ours) == ours]:
            targets = _targets_for(stale)
            self._outcome.warnings.append(
                f"{_paths((unit.path for unit in stale), 3)}: made from an earlier table or with other settings; "
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


def _excerpt(path: Path) -> str:
    """A short text, or the first line of a long one and where the others are."""
    lines = path.read_text().splitlines()
    return "\n".join(lines if len(lines) <= MOST_LINES else [lines[0], f"the other {len(lines) - 1} lines: {path}"])


def _targets_for(units: list[_Unit]) -> list[str]:
    """Few targets, chosen greedily, that together make all of these."""
    alternatives = {frozenset(unit.export.targets.split()) for unit in units}
    chosen: list[str] = []
    for target in sorted(TARGETS, key=lambda target: -sum(target in targets for targets in alternatives)):
        if any(target in targets and targets.isdisjoint(chosen) for targets in alternatives):
            chosen.append(target)
    return chosen


def _state(source: Source, metadata: Path) -> dict[str, Any]:
    """What exports are made from, as values for JSON."""
    settings = source.settings
    annotations = source.annotations_path
    parts = [
        FORMAT,
        file_sha256(metadata),
        str(source.features.absolute()),
        Path(settings.videos).is_dir(),  # recordings say when each frame is shown
        [str(export.folder(settings).absolute()) for export in EXPORTS],
        annotation_formats.content_digest(Path(annotations)) if annotations else None,
    ]
    chosen = beyond_defaults(settings, *SETTINGS)
    state = {"settings": chosen, "features": str(source.features.absolute()), "annotations": annotations}
    return {"digest": json_digest([*parts, chosen]), **state}


def _annotations_before(settings: Settings) -> str | None:
    """The annotations from which earlier ground truth was made, if they still exist.

    Those that were found rather than named are of the videos tree of that time, and only count if this is the same.
    """
    videos = Path(settings.videos)
    if settings.ground_truth.annotations:
        return None
    for folder in dict.fromkeys(export.folder(settings) for export in EXPORTS):
        for receipt in receipts_in(folder).values():
            state = read_receipt(receipt).state
            path, was_named = state.get("annotations"), "ground_truth.annotations" in _flat(state.get("settings", {}))
            if isinstance(path, str) and Path(path).exists() and (was_named or is_below(Path(path), videos)):
                return path
    return None


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


@contextmanager
def _alone(features: Path) -> Iterator[None]:
    """Hold a lock on the features tree, as some targets share files; go on without one where there are none."""
    opened = os.open(features, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _paths(paths: Iterable[Path], limit: int = SPELT_OUT) -> str:
    return named([str(path) for path in paths], limit)
