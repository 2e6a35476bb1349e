"""Derive split, category and label of each video from its data set, and find the annotations."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from i3d.datasets.matching import VideoIndex, has_suffix, plain, suffixes
from i3d.datasets.sheet import Rules, read_sheet
from i3d.digests import file_sha256, json_digest
from i3d.errors import UserError
from i3d.files import read_file
from i3d.frame_folders import is_bystander, walk
from i3d.quantities import count, named
from i3d.results.names import Naming
from i3d.settings import Settings

MOST_LIST_BYTES = 50_000_000
MOST_REASONS = 5  # in a summary
FOLDERS = ("masks", "tracks")  # annotations that are folders
BETWEEN, QUOTES = " \t,;", " \t\"'"  # after a name in a list, and around it


class AbsentError(UserError):
    """Official annotations that are not there."""


@dataclass(frozen=True)
class OfficialList:
    """A list of a split or of categories; lines by their numbers."""

    path: Path
    lines: dict[int, str]
    sha256: str


@dataclass
class Names:
    """The naming of videos, by their paths, and the entries without a video, by the name of the list."""

    of: dict[str, Naming]
    missing: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A data set with its official lists."""

    rules: Rules
    lists: Mapping[str, Sequence[OfficialList]]  # by split
    categories: OfficialList | None
    annotations: Sequence[Path]
    suffixes: frozenset[str]

    @property
    def official(self) -> list[OfficialList]:
        """All its lists."""
        lists = [each for own in self.lists.values() for each in own]
        return lists + ([self.categories] if self.categories else [])

    @property
    def file_names(self) -> set[str]:
        """Names of its files that are no videos, and of folders of such."""
        return {path.name for path in [*(each.path for each in self.official), *self.annotations]}

    @property
    def digest(self) -> str:
        """A digest that changes with the sheet and the lists."""
        return json_digest([self.rules.digest, [each.sha256 for each in self.official]])

    def names(self, videos: Collection[str]) -> Names:
        """Name each of these videos. A video that is not covered has a reason, and is in no split."""
        rules = self.rules
        bare = {video: plain(video, self.suffixes) for video in videos}
        left_out = {video for video in videos if any(each.fits(bare[video]) for each in rules.left_out)}
        index = VideoIndex(video for video in videos if video not in left_out)
        listed: dict[str, dict[str, str]] = defaultdict(dict)  # per video, the splits and the name of their list
        doubtful: dict[str, str] = {}
        missing: dict[str, list[str]] = {}
        for split, lists in self.lists.items():
            for each in lists:
                for video, _ in _matched(each, index, doubtful, missing):
                    listed[video][split] = each.path.name
        categories = dict(_matched(self.categories, index, doubtful, missing)) if self.categories else {}
        names = {}
        for video in videos:
            if video in left_out:
                names[video] = Naming(reason=f"{rules.name} leaves it out")
                continue
            category = categories.get(video) or rules.category(bare[video]) or ""
            label = rules.label(category) if category else None
            split, reason = self._split(video, bare[video], listed[video], doubtful)
            if not category:
                reason = f"{rules.name} says nothing of its category, so it has no label"
            elif label is None:
                reason = f"{rules.name} knows no category {category!r}, so it has no label"
            names[video] = Naming("" if reason else split, category, "" if label is None else str(label), reason)
        return Names(names, missing)

    def _split(
        self, video: str, bare: str, listed: Mapping[str, str], doubtful: Mapping[str, str]
    ) -> tuple[str, str | None]:
        """The split of a video, or the reason why it has none."""
        if len(listed) > 1:
            return "", f"it is in {' and in '.join(listed.values())}"
        if listed:
            return next(iter(listed)), None
        if video in doubtful:
            return "", doubtful[video]
        by_path = [
            split for split, patterns in self.rules.splits.items() if any(pattern.fits(bare) for pattern in patterns)
        ]
        if len(by_path) == 1:
            return by_path[0], None
        if by_path:
            return "", f"{self.rules.name} has it in the splits {' and '.join(by_path)}"
        lists = [each.path.name for own in self.lists.values() for each in own]
        return "", f"in none of {named(lists)}" if lists else f"{self.rules.name} says nothing of its split"


def open_dataset(settings: Settings) -> DataSet | None:
    """Open the data set of the setting `dataset`; None without one.

    Its lists are found by their names anywhere under `videos`, or are named in `split_lists`. Raises UserError for an
    invalid sheet, and for a list that is missing or exists twice with different content.
    """
    if settings.dataset is None:
        return None
    rules = read_sheet(settings.dataset)
    if unknown := [split for split in settings.split_lists if split not in rules.splits]:
        raise UserError(
            f"split_lists: {rules.name} has no split {named(unknown)}; its splits are {', '.join(rules.splits)}"
        )
    own = {split: rule for split, rule in rules.sheet.splits.items() if split not in settings.split_lists}
    wanted = {name for rule in own.values() for name in rule.lists}
    wanted |= {rules.sheet.categories} if rules.sheet.categories else set()
    annotations = rules.sheet.annotations
    wanted |= {annotations.name} if annotations else set()
    places = _find_files(Path(settings.videos), wanted)
    lists = {}
    for split, rule in rules.sheet.splits.items():
        if split in settings.split_lists:
            lists[split] = [_read_list(Path(path)) for path in settings.split_lists[split]]
        else:
            key = f"split_lists: {{{split}: {'PATH' if len(rule.lists) == 1 else '[PATH, PATH]'}}}"
            lists[split] = [_find_list(rules, settings, name, places, key) for name in rule.lists]
    categories = None
    if rules.sheet.categories:
        categories = _find_list(rules, settings, rules.sheet.categories, places, "the sheet's `categories`")
    found = [Path(settings.ground_truth.annotations)] if settings.ground_truth.annotations else []
    if annotations and not found:
        found = [path for path in places[annotations.name] if path.is_dir() == (annotations.format == "masks")]
    return DataSet(rules, lists, categories, found, suffixes(settings.extensions))


def find_annotations(settings: Settings) -> tuple[Path, str] | None:
    """Find the annotations of a data set, under `videos`, and their form; None without a data set.

    Raises AbsentError when they are missing or the set has none, UserError when there are several that differ.
    """
    if settings.dataset is None:
        return None
    rules = read_sheet(settings.dataset)
    rule, root = rules.sheet.annotations, Path(settings.videos)
    if rule is None:
        raise AbsentError(f"dataset: {rules.sheet.title} has no annotations; name yours in `ground_truth: annotations`")
    paths = [root] if rule.format == "tracks" else _find_files(root, {rule.name})[rule.name]
    paths = [path for path in paths if path.is_dir() == (rule.format in FOLDERS)]
    if not paths or not root.is_dir():
        raise AbsentError(
            f"dataset: {rule.name}, the annotations of {rules.sheet.title}, are not under {root}; put them there, or "
            "name them by `--config 'ground_truth={annotations: PATH}'`"
        )
    if len(paths) > 1 and len({_content(path) for path in paths}) > 1:
        names = named([str(path) for path in paths])
        raise UserError(f"dataset: {names} differ; name the right annotations in `ground_truth: annotations`")
    return paths[0], rule.format


def _content(path: Path) -> str:
    """A digest of a text, regardless of line ends, or of the files in a folder."""
    try:
        if not path.is_dir():
            return json_digest([line.split() for line in read_file(path).decode("utf-8-sig", "replace").splitlines()])
        files = sorted(each for each in path.iterdir() if each.is_file() and not is_bystander(each.name))
        return json_digest([[each.name, file_sha256(each)] for each in files])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); correct that, or remove this copy") from None


def _find_files(root: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Find files and folders of these names, which may be patterns, anywhere under a folder."""
    paths: dict[str, list[Path]] = defaultdict(list)
    if not names:
        return paths
    for folder, folders, files in walk(root):
        for name in names:
            fits = [each for each in (*folders, *files) if each == name or ("*" in name and fnmatchcase(each, name))]
            paths[name] += [folder / each for each in sorted(fits)]
    return paths


def _find_list(
    rules: Rules, settings: Settings, name: str, places: Mapping[str, Sequence[Path]], key: str
) -> OfficialList:
    """Read the list of this name. Raises UserError when it is missing, or there twice with different content."""
    lists = [_read_list(path) for path in places.get(name, ()) if path.is_file()]
    if not lists:
        see = f" (available from {rules.sheet.see})" if rules.sheet.see else ""
        raise UserError(
            f"dataset: {name} of {rules.sheet.title} is not under {settings.videos}{see}; put it there, set "
            f"'videos' to the folder of the whole download, or name it in {key}"
        )
    if len({tuple(each.lines.values()) for each in lists}) > 1:
        raise UserError(f"dataset: {named([str(each.path) for each in lists])} differ; name the right one in {key}")
    return lists[0]


def _read_list(path: Path) -> OfficialList:
    """Read an official list: a video a line, its name first, any more after a space, comma or semicolon."""
    try:
        if path.stat().st_size > MOST_LIST_BYTES:
            raise UserError(f"{path}: too large for a list of videos; name the right file")
        content = read_file(path)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable list in UTF-8 ({error}); correct it") from None
    lines = {number: line.strip() for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    return OfficialList(path, lines, hashlib.sha256(content).hexdigest())


def _matched(
    each: OfficialList, index: VideoIndex, doubtful: dict[str, str], missing: dict[str, list[str]]
) -> Iterable[tuple[str, str]]:
    """Yield the videos of a list, with the rest of their line.

    Videos of an ambiguous line are added to `doubtful` with the reason, names without a video to `missing`.
    """
    for number, line in each.lines.items():
        videos, name, rest = _entry(line, index)
        if len(videos) == 1:
            yield videos[0], rest
        elif videos:
            reason = (
                f"{each.path.name}, line {number}: {name} fits {named(videos)}; write the path below the videos tree, "
                "or name the folders to take in `subsets`"
            )
            doubtful |= dict.fromkeys(videos, reason)
        else:
            missing.setdefault(each.path.name, []).append(name)


def _entry(line: str, index: VideoIndex) -> tuple[list[str], str, str]:
    """The videos that a line fits, its name, and the rest. Names, too, may contain spaces and commas.

    The longest name counts that fits; none ends before a suffix of videos.
    """
    ends = [*(place for place, letter in enumerate(line) if letter in BETWEEN), len(line)]
    names = {end: line[:end].strip(QUOTES) for end in ends}
    first = next((end for end, name in names.items() if has_suffix(name)), 0)
    for end, name in reversed(names.items()):
        if end >= first and (videos := index.find(name)):
            return videos, name, line[end:].strip(BETWEEN + QUOTES)
    return [], line, ""


def _told_apart(paths: Iterable[Path]) -> list[str]:
    """The names of files, or their paths where several have one name."""
    single = dict.fromkeys(paths)
    alike = Counter(path.name for path in single)
    return [path.name if alike[path.name] == 1 else str(path) for path in single]


def summary(dataset: DataSet, names: Names) -> str:
    """Summarise a data set for the plan: videos and anomalies per split, what is not covered, and its files."""
    own = list(names.of.values())
    splits: Counter[str] = Counter(each.split for each in own if each.split)
    anomalies: Counter[str] = Counter(each.split for each in own if each.split and each.label == "1")
    text = f"{dataset.rules.sheet.title}: " + (
        ", ".join(
            f"{split} {number:,} ({anomalies[split]:,} {'anomaly' if anomalies[split] == 1 else 'anomalies'})"
            for split, number in sorted(splits.items())
        )
        or "no video is covered"
    )
    reasons: dict[str, list[str]] = defaultdict(list)
    for video, each in names.of.items():
        if each.reason:
            reasons[each.reason].append(video)
    if reasons:
        number = sum(map(len, reasons.values()))
        text += f"; {count(number, 'video')} not covered: extracted, but in no list"
        for reason, videos in list(reasons.items())[:MOST_REASONS]:
            text += f"\n  {named(videos, 2)}: {reason}"
        if len(reasons) > MOST_REASONS:
            text += f"\n  and {count(len(reasons) - MOST_REASONS, 'other reason')}, in metadata.csv"
    for name, entries in names.missing.items():
        text += f"\n  {name} names {count(len(entries), 'video')} that `videos` lacks: {named(entries, 2)}"
    files = {"lists": [each.path for each in dataset.official], "annotations": dataset.annotations}
    for kind, paths in files.items():
        if paths:
            text += f"\n  {kind}: {named(_told_apart(paths))}"
    return text
