"""Walking the videos tree: which videos there are, and which files must be refused, each with the reason."""

import contextlib
import errno
import glob
import os
import stat
import unicodedata
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from i3d.errors import UserError
from i3d.frame_folders import NotFramesError, is_bystander, is_picture, looked_at, numbered
from i3d.paths import feature_of
from i3d.quantities import counts
from i3d.results.names import RESERVED

LISTED = 20  # folders named in a message
MAX_NAME_BYTES = 255  # of one part of a path, on every common file system
SNAKEMAKE_RESERVED = set("{}<>")  # mark wildcards and path variables, and have no escape
PICTURE_FOLDERS, NO_SUFFIX = "folders of pictures", "no suffix"  # kinds that are passed over, beside suffixes
REPEATS = 20  # at the end of a target; Snakemake treats more as an endless loop

Stamp = tuple[int, int, int]  # size in bytes, times of change of content and of the file's record, in nanoseconds


@dataclass(frozen=True)
class Video:
    """A video, either a file or a folder of pictures.

    The stamp of a folder of pictures combines the folder and the sampled pictures (`i3d.frame_folders.looked_at`): it
    changes when a picture is added, removed or renamed, or when a sampled one is rewritten.
    """

    video: str  # path under the videos tree
    path: Path
    feature: str  # path under the features tree
    stamp: Stamp
    is_folder: bool = False


@dataclass
class Tree:
    """The result of a walk.

    `videos` are sorted by path; `refused` holds reasons by printable path; `passed_over` counts everything else but
    hidden and known files, the most frequent first: files by suffix in lower case (or `no suffix`), and `folders of
    pictures`.
    """

    videos: list[Video] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)


def find_videos(
    root: Path,
    extensions: Iterable[str],
    subsets: Iterable[str] = (),
    features: Path | None = None,
    *,
    frame_folders: bool = True,
    known: Collection[str] = (),
) -> Tree:
    """Find all videos under `root`, or under its `subsets`, ignoring hidden files and folders.

    `subsets` are paths under `root`, of folders or single videos, or glob patterns of such; `features` is the features
    tree, whose file system may not distinguish some names; `frame_folders`: folders of numbered pictures are videos;
    `known` are names of files, or of the folder that they are in, that are not counted if they are no videos.
    Raises UserError if a folder does not exist or cannot be read, or holds no video.
    """
    check_root(root)
    suffixes = {"." + extension.lstrip(".").lower() for extension in extensions}
    walk = _Walk(root, suffixes, frame_folders, known)
    for top in _tops(root, subsets, suffixes):
        walk.take(top)
    passed_over = dict(sorted(walk.passed_over.items(), key=lambda item: (-item[1], item[0])))
    if not (walk.found or walk.refused):
        names = ", ".join(str(root / subset) for subset in subsets) or str(root)
        there = f", but {counts(passed_over)}" if passed_over else ""
        raise UserError(
            f"videos: {names} holds no video ({', '.join(sorted(suffixes))}){there}; set 'videos' or 'extensions' "
            "accordingly"
        )
    tree = Tree(sorted(walk.found.values(), key=lambda video: video.video), walk.refused, passed_over)
    _refuse_collisions(tree)
    if features is not None:
        _refuse_folded_names(tree, features)
    tree.refused = dict(sorted(tree.refused.items()))
    return tree


def printable(name: str) -> str:
    """Escape bytes that are not UTF-8 and control characters in a name, for tables and logs."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def check_root(root: Path) -> None:
    """Raise UserError if there is no such folder, or it cannot be read."""
    try:
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"videos: there is no folder {root}; put videos there, or set 'videos' to the folder that has them"
        ) from None
    except OSError as error:
        raise UserError(
            f"videos: the folder {root} cannot be read ({_why(error)}); correct that, or set 'videos' elsewhere"
        ) from None


def _tops(root: Path, subsets: Iterable[str], suffixes: set[str]) -> list[Path]:
    tops: list[Path] = []
    for subset in subsets or ["."]:
        inside = PurePosixPath(subset)
        if inside.is_absolute() or ".." in inside.parts or any(part.startswith(".") for part in inside.parts):
            raise UserError(
                f"subsets: invalid value {subset!r}; expected a path or pattern under {root}, like train_val/anomaly"
            )
        matches = [root / subset]
        if not _exists(matches[0]):
            found = sorted(map(Path, _glob(root, subset)))
            matches = [path for path in found if _suffix(path.name) in suffixes or _is_folder(path)]
        if not matches:
            raise UserError(
                f"subsets: {subset!r} matches nothing under {root}; it holds {', '.join(_folders(root)) or 'no folder'}"
            )
        tops += matches
    return tops


def _glob(root: Path, pattern: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(str(root)), pattern), recursive=True)  # noqa: PTH118, PTH207


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except PermissionError:  # in a folder above it; the walk will say so
        return True
    except (OSError, ValueError):  # such as a name too long
        return False
    return True


def _is_folder(path: Path | os.DirEntry) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _may_have_been_a_folder(link: os.DirEntry) -> bool:
    """Whether a link leads nowhere, and is not called like a file."""
    return not _suffix(link.name) and not os.path.exists(link.path)  # noqa: PTH110 (Path.exists raises)


def _folders(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.glob("*/*/") if path.is_dir())[:LISTED]


class _Walk:
    """Collects the videos under the folders passed to `take`; a folder that is reached twice is walked once."""

    def __init__(self, root: Path, suffixes: set[str], frame_folders: bool, known: Collection[str]) -> None:
        self.root = root
        self._above = len(str(root / "x")) - 1  # letters of a path before those of its video
        self.suffixes = suffixes
        self.frame_folders = frame_folders
        self.known = known
        self.found: dict[str, Video] = {}
        self.refused: dict[str, str] = {}
        self.passed_over: Counter[str] = Counter()
        self._walked: set[Path] = set()

    def take(self, path: Path) -> None:
        """Walk a folder with everything below it, or take a single file."""
        if _is_folder(path):
            self._folder(path, set())
        else:
            self._file(path)

    def _folder(self, folder: Path, above: set[Path]) -> None:
        try:
            real = folder.resolve()
            if real in above or folder in self._walked:  # a link back up the tree, or in two subsets
                return
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except (OSError, RuntimeError) as error:
            self._refuse(folder, f"this folder cannot be read ({_why(error)}), so its videos are missing")
            return
        self._walked.add(folder)
        files: list[str] = []
        folders: list[str] = []
        for entry in entries:
            (folders if _is_folder(entry) else files).append(entry.name)
        for name in folders:
            self._folder(folder / name, above | {real})
        lost = {entry.name for entry in entries if entry.is_symlink() and _may_have_been_a_folder(entry)}
        others = []
        for name in files:
            if _suffix(name) in self.suffixes or name in lost:
                self._file(folder / name)
            elif not is_bystander(name):
                others.append(name)
        if len(others) == len([name for name in (*files, *folders) if not is_bystander(name)]):
            self._others_alone(folder, others)
        else:
            self._pass_over(folder, others)

    def _others_alone(self, folder: Path, files: list[str]) -> None:
        """Take or pass over the files of a folder that holds neither videos nor folders."""
        if folder == self.root or not files or not all(map(is_picture, files)):
            self._pass_over(folder, files)
            return
        try:
            if self.frame_folders and (pictures := numbered(files)):
                self._frames(folder, [name for _, name in pictures])
            else:
                self.passed_over[PICTURE_FOLDERS] += 1
        except NotFramesError as error:
            self._refuse(folder, str(error))

    def _pass_over(self, folder: Path, files: Iterable[str]) -> None:
        if folder.name not in self.known:
            unknown = (name for name in files if name not in self.known)
            self.passed_over.update(printable(_suffix(name)) or NO_SUFFIX for name in unknown)

    def _frames(self, folder: Path, pictures: list[str]) -> None:
        """Take a folder of numbered pictures, given in order."""
        try:
            statuses = [folder.stat()]
            for place in looked_at(len(pictures)):
                with contextlib.suppress(FileNotFoundError):  # a link to nothing
                    statuses.append((folder / pictures[place]).stat())
        except OSError as error:
            self._refuse(folder, f"unreadable: {_why(error)}")
            return
        size = sum(status.st_size for status in statuses[1:])
        latest = (max(status.st_mtime_ns for status in statuses), max(status.st_ctime_ns for status in statuses))
        self._add(folder, (size, *latest), is_folder=True)

    def _file(self, path: Path) -> None:
        try:
            status = path.stat()
        except FileNotFoundError:
            self._refuse(path, "unreadable: a link to nothing")
        except OSError as error:
            self._refuse(path, f"unreadable: {_why(error)}")
        else:
            if not stat.S_ISREG(status.st_mode):
                self._refuse(path, "unreadable: not a regular file")
            elif not os.access(path, os.R_OK):
                self._refuse(path, "unreadable: Permission denied")
            else:
                self._add(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns))

    def _add(self, path: Path, stamp: Stamp, *, is_folder: bool = False) -> None:
        video = str(path)[self._above :]
        feature = feature_of(video, folder=is_folder)
        if reason := _why_not_name(video, feature):
            self._refuse(path, reason)
        else:
            self.found[video] = Video(video, path, feature, stamp, is_folder)

    def _refuse(self, path: Path, reason: str) -> None:
        self.refused[printable(str(path.relative_to(self.root)))] = reason


def _suffix(name: str) -> str:
    """Return the suffix in lower case, with its dot, as `Path.suffix` but fast enough for very many files."""
    stem, _, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if stem and suffix else ""


def _why(error: Exception) -> str:
    if getattr(error, "errno", None) == errno.ELOOP or isinstance(error, RuntimeError):
        return "a link to itself"
    return getattr(error, "strerror", None) or str(error)


def _why_not_name(video: str, feature: str) -> str | None:
    try:
        longest = max(len(part.encode()) for part in feature.split("/"))
    except UnicodeEncodeError:
        return "its name holds bytes that are not UTF-8; rename it"
    if not video.isprintable():
        return "its name holds control characters; rename it"
    if found := sorted(set(video) & SNAKEMAKE_RESERVED):
        return f"Snakemake cannot take {' or '.join(found)} in a name; rename it"
    if longest > MAX_NAME_BYTES:
        return f"the name of its feature file would have {longest} bytes, more than {MAX_NAME_BYTES}; rename it"
    if feature.endswith(".npy" * (REPEATS + 1)):
        return f"its name ends in .npy more than {REPEATS} times, which Snakemake cannot take; rename it"
    if (top := feature.partition("/")[0]) in RESERVED:
        return f"features/{top} is a file of the workflow's own; rename the folder"
    return None


def _refuse_collisions(tree: Tree) -> None:
    """Refuse videos that share a feature file, or whose feature file would be a folder of others."""
    wanted: dict[str, list[Video]] = defaultdict(list)
    for video in tree.videos:
        wanted[video.feature].append(video)
    lowest = {PurePosixPath(video.feature.rpartition("/")[0]) for video in tree.videos}
    folders = {str(folder) for each in lowest for folder in (each, *each.parents)}
    for feature, videos in wanted.items():
        if len(videos) > 1:
            names = " and ".join(PurePosixPath(video.video).name for video in videos)
            for video in videos:
                tree.refused[video.video] = f"{names} all give {PurePosixPath(feature).name}; rename all but one"
        elif feature in folders:
            name = PurePosixPath(feature).name
            tree.refused[videos[0].video] = f"a folder of videos is called {name}, as its feature file; rename one"
    tree.videos = [video for video in tree.videos if video.video not in tree.refused]


def _refuse_folded_names(tree: Tree, features: Path) -> None:
    """Refuse videos whose feature file would be another video's on the features' file system."""
    folded: dict[str, list[Video]] = defaultdict(list)
    for video in tree.videos:
        folded[unicodedata.normalize("NFC", video.feature).casefold()].append(video)
    alike = [videos for videos in folded.values() if len(videos) > 1]
    if not alike:
        return
    folds_case, folds_unicode = _folds(features, "a", "A"), _folds(features, "\u00e9", "e\u0301")
    for videos in alike:
        owners: dict[str, str] = {}
        for video in videos:
            name = unicodedata.normalize("NFC", video.feature) if folds_unicode else video.feature
            owner = owners.setdefault(name.casefold() if folds_case else name, video.video)
            if owner != video.video:
                tree.refused[video.video] = (
                    f"the file system of the features does not tell its name from that of {owner}; rename one"
                )
    tree.videos = [video for video in tree.videos if video.video not in tree.refused]


def _folds(folder: Path, one: str, other: str) -> bool:
    """Whether a folder's file system treats two names as the same file."""
    probe = f".{uuid.uuid4().hex}-"
    path = folder / (probe + one)
    try:
        path.touch()
        return (folder / (probe + other)).exists()
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
