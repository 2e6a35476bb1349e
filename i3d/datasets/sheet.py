"""A data-set sheet: rules for split, category, label and annotations of a data set as downloaded.

Sheets are YAML files, data and no code. Those in config/datasets/ are known by their names.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from i3d.datasets.patterns import Pattern
from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.files import read_file
from i3d.paths import workflow_folder
from i3d.settings import SHEET_SUFFIXES
from i3d.spelling import nearest

FOLDER = workflow_folder("config/datasets")
MOST_BYTES = 64_000

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^/]+$")]
Names = tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]


class VideoRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Videos whose path, without suffix, fits a pattern, and their category unless the pattern has `{category}`."""

    path: str
    category: str | None = None


class SplitRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The videos of a split: by official lists, then by patterns of paths."""

    lists: tuple[Name, ...] = ()
    paths: Names = ()


class AnnotationRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or folder of annotations by this name; for `tracks`, files beside the videos."""

    name: Name
    format: Literal["csv", "ucf_crime", "xd_violence", "msad", "tad", "masks", "tracks"]


class Sheet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set."""

    title: str
    see: str = ""  # the source of the set and its lists
    videos: tuple[VideoRule, ...]
    categories: Name | None = None  # a list with the category after each video; takes precedence over `videos`
    normal: Names  # categories, or patterns of categories, of normal videos
    anomalies: Names = ()  # the same of anomalies; empty: all other categories
    left_out: Names = ()  # paths of videos that are not part of the set
    splits: dict[Name, SplitRule]
    annotations: AnnotationRule | None = None


class Rules:
    """A sheet with its patterns compiled. Raises UserError for an invalid pattern."""

    def __init__(self, sheet: Sheet, name: str) -> None:
        self.sheet, self.name = sheet, name
        self.videos = [
            (Pattern(rule.path, f"{name}: videos[{place}].path"), rule.category)
            for place, rule in enumerate(sheet.videos)
        ]
        for (pattern, category), rule in zip(self.videos, sheet.videos, strict=True):
            if (category is None) != pattern.names_category:
                raise UserError(
                    f"{name}: videos: {rule.path!r} must say the category once, by {{category}} in it or as `category`"
                )
        self.normal = [Pattern(text, f"{name}: normal") for text in sheet.normal]
        self.anomalies = [Pattern(text, f"{name}: anomalies") for text in sheet.anomalies]
        self.left_out = [Pattern(text, f"{name}: left_out") for text in sheet.left_out]
        self.splits = {
            split: [Pattern(text, f"{name}: splits.{split}.paths") for text in rule.paths]
            for split, rule in sheet.splits.items()
        }

    @cached_property
    def digest(self) -> str:
        """A digest of the sheet's content."""
        return json_digest(msgspec.to_builtins(self.sheet))

    def category(self, path: str) -> str | None:
        """The category of a video from its path; None if no pattern fits."""
        for pattern, category in self.videos:
            if pattern.fits(path):
                return category or pattern.category(path)
        return None

    def label(self, category: str) -> int | None:
        """0 for a normal category, 1 for an anomaly, None for a category unknown to the sheet."""
        if any(pattern.fits(category) for pattern in self.normal):
            return 0
        return 1 if not self.anomalies or any(pattern.fits(category) for pattern in self.anomalies) else None


def known_sheets() -> list[str]:
    """The names of the sheets included in the workflow."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_sheet(dataset: str) -> Rules:
    """Read the sheet of this name or at this path.

    Raises UserError naming the file, the line or key, and what to write.
    """
    if dataset.endswith(SHEET_SUFFIXES):
        path = Path(dataset)
    elif dataset in known_sheets():
        path = FOLDER / f"{dataset}.yaml"
    else:
        near = nearest(dataset, known_sheets())
        hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known_sheets())}"
        raise UserError(f"dataset: there is no sheet {dataset!r}; {hint} (the path of your own sheet ends in .yaml)")
    content, lines = _read(path)
    try:
        sheet = msgspec.convert(content, Sheet)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`").lstrip(".")
        line = lines.get(where) or lines.get("")
        raise UserError(
            f"{path}, line {line}: {where + ': ' if where else ''}{problem}; docs/data.md describes sheets"
        ) from None
    return Rules(sheet, str(path) if dataset.endswith(SHEET_SUFFIXES) else dataset)


def _read(path: Path) -> tuple[Any, dict[str, int]]:
    """The content of a sheet, and the line of each of its keys."""
    try:
        text = read_file(path)
    except OSError as error:
        raise UserError(f"dataset: {path} cannot be read ({error.strerror}); correct the path") from None
    if len(text) > MOST_BYTES:
        raise UserError(f"{path}: {len(text):,} bytes are no sheet; put lists of videos into files of their own")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[str, int] = {}
        _number(node, "", lines)
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}, line {line}: {error.problem or error.context}; correct the YAML there") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a YAML file in UTF-8 ({str(error).splitlines()[0]}); correct it") from None
    return content, lines


class _Loader(yaml.SafeLoader):
    """A loader of plain values that refuses aliases, by which a small file can expand to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not accepted", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _number(node: Any, where: str, lines: dict[str, int]) -> None:
    """Add the line of each key to `lines`, named as in msgspec's messages."""
    lines[where] = node.start_mark.line + 1 if node else 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            for name in (f"{where}.{key.value}".removeprefix("."), f"{where}[...]"):
                _number(value, name, lines)
                lines[name] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _number(value, f"{where}[{place}]", lines)
