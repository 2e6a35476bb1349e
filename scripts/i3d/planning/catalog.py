"""The catalog: which videos the tree holds, and what is known of each without decoding it.

What is learnt of a file is kept in `catalog.json`, and believed as long as its size and time of change stay the same.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from i3d.digests import video_digest
from i3d.errors import UserError
from i3d.planning.probe import Probe, probe_many
from i3d.records.outcomes import write_atomically

LISTED = 5  # names in an error message
SAVE_SECONDS = 30  # how much probing an interrupted plan may lose
SNAKEMAKES_OWN = set("{}<>")  # mark wildcards and path variables, and cannot be escaped in what a function returns


@dataclass(frozen=True)
class Video:
    """A video file: its path under the videos tree, and its feature's path under the features tree."""

    video: str
    path: Path
    feature: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Known:
    """A video and what the catalog knows of it."""

    file: Video
    digest: str
    probe: Probe


def find_videos(root: Path, extensions: Iterable[str], subsets: Iterable[str] = ()) -> list[Video]:
    """All videos under `root`, or under its `subsets`, sorted by path; hidden files and folders are passed over.

    Raises UserError when a folder is missing, a file or folder cannot be read, a name cannot be handled, nothing is
    found, or two videos want the same feature file.
    """
    if not _is_folder(root):
        raise UserError(
            f"{root}: no such folder; put videos there, or set 'videos' in config/config.yaml to where they are"
        )
    suffixes = {"." + extension.lstrip(".").lower() for extension in extensions}
    found: dict[str, Video] = {}
    for top in _tops(root, subsets):
        _walk(root, top, suffixes, found, set())
    if not found:
        names = ", ".join(str(root / subset) for subset in subsets) or str(root)
        raise UserError(
            f"{names}: no video there ({', '.join(sorted(suffixes))}); set 'videos' or 'extensions' accordingly"
        )
    videos = sorted(found.values(), key=lambda video: video.video)
    _refuse_bad_names(videos)
    _refuse_unreadable(videos)
    _refuse_collisions(videos)
    return videos


def _tops(root: Path, subsets: Iterable[str]) -> list[Path]:
    tops = []
    for subset in subsets or [""]:
        inside = PurePosixPath(subset)
        if inside.is_absolute() or ".." in inside.parts:
            raise UserError(f"subsets: '{subset}' must be a path under {root}, like train_val/anomaly")
        top = root / inside
        if not _is_folder(top):
            raise UserError(
                f"subsets: there is no folder {top}; the sub-trees are {', '.join(_folders(root)) or 'none'}"
            )
        tops.append(top)
    return tops


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder above it that must not be read
        return False


def _folders(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.glob("*/*/") if path.is_dir())[: 4 * LISTED]


def _walk(root: Path, folder: Path, suffixes: set[str], found: dict[str, Video], seen: set[Path]) -> None:
    real = folder.resolve()
    if real in seen:  # a link back up the tree
        return
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        raise UserError(f"{folder}: no right to read this folder; chmod it, or leave it out with 'subsets'") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot read this folder ({error.strerror}); run snakemake again") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        try:
            is_folder = entry.is_dir()
            stat = entry.stat() if not is_folder and path.suffix.lower() in suffixes and entry.is_file() else None
        except OSError as error:
            raise UserError(f"{path}: cannot look at it ({error.strerror}); mend that, or move it out") from None
        if is_folder:
            _walk(root, path, suffixes, found, seen | {real})
        elif stat is not None:
            video = PurePosixPath(*path.relative_to(root).parts)
            found[str(video)] = Video(str(video), path, str(video.with_suffix(".npy")), stat.st_size, stat.st_mtime_ns)


def _refuse_bad_names(videos: list[Video]) -> None:
    bad = [ascii(video.video) for video in videos if not video.video.isprintable() or not _is_utf8(video.video)]
    if bad:
        raise UserError(f"{_listing(bad)}: control characters, or bytes that are not UTF-8; rename these files")
    bad = [video.video for video in videos if set(video.video) & SNAKEMAKES_OWN]
    if bad:
        raise UserError(f"{_listing(bad)}: Snakemake cannot take {{, }}, < or > in a name; rename these files")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unreadable(videos: list[Video]) -> None:
    bad = [str(video.path) for video in videos if not os.access(video.path, os.R_OK)]
    if bad:
        raise UserError(
            f"{_listing(bad)}: no right to read; give yourself the right (chmod u+r), or move them out of the tree"
        )


def _refuse_collisions(videos: list[Video]) -> None:
    owners: dict[str, Video] = {}
    for video in videos:
        other = owners.setdefault(video.feature, video)
        if other is not video:
            raise UserError(
                f"{other.path} and {video.path} both want the feature file {video.feature}; rename one of them"
            )


def _listing(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def learn(videos: list[Video], cache: Path, *, clip_length: int, fps: float | None, processes: int) -> list[Known]:
    """What is known of each video, in their order. New and changed files are probed, and remembered in `cache`."""
    remembered = _load(cache)
    fresh: dict[str, dict[str, Any]] = {}
    unknown = []
    for video in videos:
        old = remembered.get(video.video)
        if old is not None and old["file"] == [video.size, video.mtime_ns] and old["probed_for"] == [clip_length, fps]:
            fresh[video.video] = old
        else:
            unknown.append(video)
    by_path = {video.path: video for video in unknown}
    saved = time.monotonic()
    for path, probe in probe_many(list(by_path), clip_length=clip_length, fps=fps, processes=processes):
        video = by_path[path]
        fresh[video.video] = {
            "file": [video.size, video.mtime_ns],
            "probed_for": [clip_length, fps],
            "digest": _digest(path),
            "probe": asdict(probe),
        }
        if time.monotonic() - saved > SAVE_SECONDS:
            write_atomically(cache, json.dumps(remembered | fresh))
            saved = time.monotonic()
    if unknown:
        write_atomically(cache, json.dumps(remembered | fresh))
    return [Known(video, fresh[video.video]["digest"], Probe(**fresh[video.video]["probe"])) for video in videos]


def _digest(path: Path) -> str:
    try:
        return video_digest(path)
    except OSError as error:
        raise UserError(f"{path}: cannot read it any more ({error.strerror}); run snakemake again") from None


def _load(cache: Path) -> dict[str, dict[str, Any]]:
    """The cache's content, less what is damaged or was written for another version of Probe."""
    try:
        content = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return {video: entry for video, entry in content.items() if _is_entry(entry)} if isinstance(content, dict) else {}


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"file", "probed_for", "digest", "probe"}
        and isinstance(entry["probe"], dict)
        and entry["probe"].keys() == {field.name for field in fields(Probe)}
    )
