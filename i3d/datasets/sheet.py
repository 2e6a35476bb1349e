"""A data-set sheet: how split, category, label and annotations follow from a data set as it was downloaded.

Sheets are YAML files, data and no code. Those of config/datasets/ are known by their names.
"""

from difflib import get_close_matches
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

FOLDER = workflow_folder("config/datasets")
MOST_BYTES = 64_000

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^/]+$")]
Names = tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]


class VideoRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Videos whose path, without suffix, fits a pattern, and their category unless `{category}` in it says that."""

    path: str
    category: str | None = None


class SplitRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The videos of a split: those in official lists, then those whose path fits a pattern."""

    lists: tuple[Name, ...] = ()
    paths: Names = ()


class AnnotationRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the annotations are: a file or folder of this name; or files beside the videos, for `*_tracks.txt`."""

    name: Name
    format: Literal["csv", "ucf_crime", "xd_violence", "msad", "tad", "masks", "tracks"]


class Sheet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set."""

    title: str
    see: str = ""  # where it, and its lists, come from
    videos: tuple[VideoRule, ...]
    categories: Name | None = None  # a list that names the category after each video; comes before `videos`
    normal: Names  # categories, or patterns of such, whose videos are normal
    anomalies: Names = ()  # the same of anomalies; none: all other categories
    left_out: Names = ()  # paths of videos that are no part of the set
    splits: dict[Name, SplitRule]
    annotations: AnnotationRule | None = None


class Rules:
    """A sheet ready for use. Raises UserError for what is wrong with one of its patterns."""

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
        """A digest of what the sheet says."""
        return json_digest(msgspec.to_builtins(self.sheet))

    def category(self, path: str) -> str | None:
        """The category of a video by its path; None if no pattern fits."""
        for pattern, category in self.videos:
            if pattern.fits(path):
                return category or pattern.category(path)
        return None

    def label(self, category: str) -> int | None:
        """0 for a normal category, 1 for one of anomalies, None for one that the sheet does not know."""
        if any(pattern.fits(category) for pattern in self.normal):
            return 0
        return 1 if not self.anomalies or any(pattern.fits(category) for pattern in self.anomalies) else None


def known_sheets() -> list[str]:
    """The names of the sheets that come with the workflow."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_sheet(dataset: str) -> Rules:
    """The sheet of that name, or the one at that path.

    Raises UserError naming the file, the line or key, and what to write.
    """
    if dataset.endswith(SHEET_SUFFIXES):
        path = Path(dataset)
    elif dataset in known_sheets():
        path = FOLDER / f"{dataset}.yaml"
    else:
        near = get_close_matches(dataset, known_sheets(), 1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known_sheets())}"
        raise UserError(f"dataset: there is no sheet {dataset!r}; {hint} The path of one of your own ends in .yaml")
    content, lines = _read(path)
    try:
        sheet = msgspec.convert(content, Sheet)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`").lstrip(".")
        line = lines.get(where) or lines.get("")
        raise UserError(
            f"{path}, line {line}: {where + ': ' if where else ''}{problem}; docs/data.md says what a sheet holds"
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
    """YAML of plain values: an alias, by which a small file can stand for gigabytes, is refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _number(node: Any, where: str, lines: dict[str, int]) -> None:
    """Note the line of each key, named as msgspec names it in its messages."""
    if node is None:
        lines[where] = 1
        return
    lines[where] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{where}.{key.value}" if where else str(key.value)
            _number(value, name, lines)
            lines[f"{where}[...]" if where else "[...]"] = key.start_mark.line + 1
            _number(value, f"{where}[...]", lines)
            lines[name] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _number(value, f"{where}[{place}]", lines)
