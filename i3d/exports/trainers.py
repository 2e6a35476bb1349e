"""The commands each trainer needs for a data set, what breaks it, and how it reads labels.

Facts about the trainers' published code; docs/trainers.md says why each edit is needed and what was run.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from jinja2 import Environment, StrictUndefined

from i3d.exports.vadclip import NO_CLASS
from i3d.quantities import named
from i3d.records.record import SETTINGS_COLUMNS, Row

# Snippets that a test video needs: it is scored whole, by its k largest magnitudes.
TESTS_NEED = {"RTFM": 3, "MGFN": 3, "TEVAD": 3, "S3R": 3, "Smart-Surveillance": 2}
REPEATED = 16  # times that every trainer repeats a snippet's score to compare it with the ground truth


@dataclass(frozen=True)
class Part:
    """A split: its name and its numbers of anomalous, normal and all videos."""

    name: str
    anomaly: int
    normal: int
    total: int

    @property
    def smaller(self) -> int:
        """Videos of the rarer label: with a larger batch, a loader that drops the last one yields nothing."""
        return min(self.anomaly, self.normal)


@dataclass(frozen=True)
class Numbers:
    """A finished data set: where its exports are, and the numbers that trainers have in their code."""

    lists: Path
    crops_folder: Path
    train: Part
    test: Part
    validation: Part | None
    crops: int
    labels: dict[str, str]  # VadCLIP's label_map
    dim: int = 2048
    frequency: int = 16
    order: str = "original"  # of crops

    @property
    def train_lines(self) -> int:
        """Lines of anomalies in the training list of crop files."""
        return self.train.anomaly * self.crops

    @property
    def is_xd_violence(self) -> bool:
        """Whether VadCLIP's labels are XD-Violence's codes."""
        return NO_CLASS in self.labels

    def in_lists(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among the lists."""
        return quote(str(self.lists / f"{part.name}{ending}"))

    def in_crops(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among the crops."""
        return quote(str(self.crops_folder / f"{part.name}{ending}"))

    def in_flat(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among those for TEVAD and S3R."""
        return quote(str(self.lists / "i3d" / f"{part.name}{ending}"))


def too_short(rows: Iterable[Row], split: str) -> list[str]:
    """A warning for each trainer whose test breaks on some of these videos, naming them."""
    broken: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        broken[tuple(name for name, need in TESTS_NEED.items() if (row.snippets or 0) < need)].append(row)
    return [
        f"{named([f'{row.video} ({row.snippets})' for row in own])}: too few snippets, {named(trainers)} break on such "
        f"a test video; leave it out with `lists: {{min_snippets: {{{split}: "
        f"{max(TESTS_NEED[name] for name in trainers)}}}}}`"
        for trainers, own in broken.items()
        if trainers
    ]


# How a trainer reads the label from a path (None: it leaves the line out), and in words.
LABEL_RULES: dict[str, tuple[Callable[[str], int | None], str]] = {
    "Smart-Surveillance": (
        lambda path: int("non_anomaly" not in path) if "anomaly" in path else None,
        "`anomaly` and `non_anomaly` anywhere in the path",
    ),
    "PEL4VAD": (lambda path: int("Normal" not in path), "`Normal` anywhere in the path"),
}


def misread(trainer: str, rows: Sequence[Row], lines: Sequence[str]) -> list[str]:
    """A warning when the trainer reads another label than ours from some paths, or leaves them out."""
    rule, words = LABEL_RULES[trainer]
    read = [(rule(line), row.label or 0, line) for row, line in zip(rows, lines, strict=True)]
    left_out = [line for found, _, line in read if found is None]
    wrong = [line for found, label, line in read if found is not None and found != label]
    warnings = []
    if left_out and len(left_out) == len(lines):
        warnings.append(f"{trainer} reads labels from {words}, which no path here has: it cannot use these lists")
    elif left_out:
        warnings.append(
            f"{trainer} reads labels from {words} and leaves out {len(left_out)} of {len(lines)} lines, such as "
            f"{left_out[0]}; it needs folders that are called so"
        )
    if wrong:
        warnings.append(
            f"{trainer} reads labels from {words} and so misreads {len(wrong)} of {len(lines)} lines, such as "
            f"{wrong[0]}; rename the folder, or set `lists: root` or `crops: root` to a path without such words"
        )
    return warnings


def unlike_trainers(frequency: int, crops: int) -> list[str]:
    """Warnings for features for which no trainer's code is written."""
    warnings = []
    if frequency != REPEATED:
        warnings.append(
            f"features of `frequency` {frequency}, but every trainer repeats a snippet's score {REPEATED} times: write "
            f"{frequency} there in its test"
        )
    if crops != 10:
        warnings.append(
            f"{crops} crop per snippet: RTFM, MGFN, Smart-Surveillance, TEVAD and S3R have 10 crops in their code, "
            "UR-DMU, BN-WVAD and PEL4VAD join 10 lines in their tests"
        )
    return warnings


def mixed_settings(rows: Iterable[Row]) -> list[str]:
    """A warning for each setting in which features of one tree differ, naming each value with a video."""
    examples: dict[str, dict[str, str]] = {}
    for row in rows:
        for column in SETTINGS_COLUMNS:
            examples.setdefault(column, {}).setdefault(str(getattr(row, column) or "none"), row.video)
    return [
        f"features of different {column} in one tree, which do not mix: "
        + " and ".join(f"{value} ({video})" for value, video in values.items())
        for column, values in examples.items()
        if len(values) > 1
    ]


def why_not_trainable(parts: Mapping[str, Part], test: str, training: Collection[str]) -> str | None:
    """What a data set lacks for trainers to train and test on it; None if nothing."""
    if test not in parts or not training:
        return f"features are needed in `test_split` ({test}) and in another split, for trainers to train and test"
    train = parts[max(training, key=lambda name: parts[name].total)]
    for label, number in (("anomaly", train.anomaly), ("normal video", train.normal)):
        if not number:
            return f"{train.name}: no {label} there has features, and trainers train with both; add some"
    return None


def commands_for(data: Numbers) -> str:
    """The commands for each trainer to train and test on this data set, run in its folder."""
    text = Path(__file__).with_suffix(".txt.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=False,  # the text is for a shell; paths are quoted by `Numbers`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(text).render(data=data, min=min, json=json.dumps, substitution=_substitution)


def _substitution(pattern: str, text: str) -> str:
    """The quoted expression with which sed puts a text in the place of a pattern."""
    escaped = re.sub(r"[\\/&]", r"\\\g<0>", text)
    return quote(f"s/{pattern}/{escaped}/")
