"""The videos of a split and their order: the same for lists, ground truth and crops."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from i3d.errors import UserError
from i3d.exports.copies import CopyNames
from i3d.quantities import named
from i3d.records.record import Row
from i3d.results.metadata import is_wanted

VALIDATION = "val"  # the split that is held out of the others


@dataclass(frozen=True)
class Choice:
    """The settings that choose videos: `test_split` and those of `lists`.

    `categories`: last folders to keep; empty: all. `min_snippets`: shorter videos of the split are left out.
    `validation`: share of the videos outside `test_split` that make up the split `val`; `seed` decides which.
    """

    categories: Sequence[str] = ()
    min_snippets: int = 1
    copies: CopyNames = field(default_factory=CopyNames)
    test_split: str = "test"
    validation: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Selection:
    """The videos of a split in the order of its list, and those that are too short for it."""

    rows: list[Row]
    left_out: list[Row]


def splits(rows: Iterable[Row], choice: Choice) -> list[str]:
    """The splits that have features, sorted, including `val` if one is held out.

    Raises UserError when the tree has a split of that name already.
    """
    names = {row.split for row in rows if is_wanted(row, choice.categories)} - {""}
    if choice.validation:
        if VALIDATION in names:
            raise UserError(
                f"{VALIDATION}: the tree has this split, so none is made from the others; set `lists: validation: "
                "fraction` to 0"
            )
        names.add(VALIDATION)
    return sorted(names)


def select(rows: Iterable[Row], split: str, choice: Choice) -> Selection:
    """Select the videos of `split` that have features: anomalies first, each part sorted by path.

    Raises UserError when nothing is left, or when a category is neither anomaly nor normal.
    """
    wanted = [row for row in rows if is_wanted(row, choice.categories) and row.split]
    held_out = validation_videos(wanted, choice) if choice.validation else set()
    if choice.validation and split == VALIDATION:
        chosen = [row for row in wanted if row.video in held_out]
        if not chosen:
            raise UserError(
                f"{VALIDATION}: {choice.validation:g} of each label's videos, and copies stay with their source, comes "
                "to none; raise `lists: validation: fraction`, or add videos"
            )
    else:
        chosen = [row for row in wanted if row.split == split and row.video not in held_out]
    if not chosen:
        raise UserError(
            f"{split}: no video there has features; check `lists: categories`, and metadata.csv for what became of them"
        )
    _refuse_unlabelled(chosen, split)
    chosen.sort(key=lambda row: (-(row.label or 0), row.video))
    enough = [row for row in chosen if (row.snippets or 0) >= choice.min_snippets]
    if not enough:
        raise UserError(
            f"{split}: no video has {choice.min_snippets} snippets; lower `lists: min_snippets: {split}` or use longer "
            "videos"
        )
    return Selection(enough, [row for row in chosen if (row.snippets or 0) < choice.min_snippets])


def validation_videos(rows: Iterable[Row], choice: Choice) -> set[str]:
    """Choose the videos to hold out for validation: a share of each label, copies together with their source.

    One source of each label stays to train with. Sources are ordered by a digest of the seed and their name, so a new
    video moves few others. Raises UserError when nothing lies outside the test split or a category is neither anomaly
    nor normal.
    """
    pool = [row for row in rows if row.split != choice.test_split]
    if not pool:
        raise UserError(f"{VALIDATION}: no video outside {choice.test_split} has features; nothing to hold out")
    _refuse_unlabelled(pool, VALIDATION)
    families: dict[str, list[Row]] = defaultdict(list)
    for row in pool:
        families[choice.copies.source(row.video)].append(row)
    held_out: set[str] = set()
    for label in (0, 1):
        alike = {source: own for source, own in families.items() if max(row.label or 0 for row in own) == label}
        wanted = round(choice.validation * sum(map(len, alike.values())))
        taken = 0
        for source in sorted(alike, key=lambda source: _draw(choice.seed, source))[:-1]:
            if taken >= wanted:
                break
            held_out.update(row.video for row in alike[source])
            taken += len(alike[source])
    return held_out


def _draw(seed: int, source: str) -> bytes:
    return hashlib.sha256(f"{seed}:{source}".encode()).digest()


def _refuse_unlabelled(rows: Iterable[Row], split: str) -> None:
    if unknown := sorted({row.category for row in rows if row.label is None}):
        raise UserError(
            f"{split}: {named(unknown)} says neither anomaly nor normal, and lists are ordered by label; say which "
            "categories are normal in a sheet (`dataset`, docs/data.md), or leave it out by naming the others in "
            "`lists: categories`"
        )


def below_split(row: Row, path: str) -> PurePosixPath:
    """A path of the row, relative to its split's folder if it lies in one."""
    whole = PurePosixPath(path)
    return whole.relative_to(row.split) if whole.is_relative_to(row.split) else whole


def list_lines(rows: Iterable[Row], root: Path) -> list[str]:
    """One feature path per line, for RTFM, MGFN and Smart-Surveillance. Raises UserError for a line break in a path."""
    lines = [str(root / row.feature_file) for row in rows]
    refuse_line_breaks(lines)
    return lines


def refuse_line_breaks(lines: Sequence[str]) -> None:
    """Raise UserError for a path that spans several lines."""
    if broken := [line for line in lines if len(line.splitlines()) != 1]:
        raise UserError(f"{named(broken)}: a line break in a path, and lists hold one path per line; rename it")


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Videos of each class. Trainers have the number of anomalies in their code (RTFM's 810 for UCF-Crime)."""
    anomalies = sum(row.label or 0 for row in rows)
    return {"anomaly": anomalies, "normal": len(rows) - anomalies, "total": len(rows)}
