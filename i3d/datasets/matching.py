"""Find the video that a name in an official list or annotation refers to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile
from pathlib import PurePosixPath

from i3d.settings import VIDEO_SUFFIXES

FEATURE_ENDING = "_i3d"  # of names in lists of features


def suffixes(extensions: Iterable[str] = ()) -> frozenset[str]:
    """The suffixes of videos, those in `extensions` too, and of features; in lower case, with the dot."""
    return frozenset(f".{each.lstrip('.').lower()}" for each in (*VIDEO_SUFFIXES, "npy", *extensions))


SUFFIXES = suffixes()


def plain(path: str, known: Collection[str] = SUFFIXES) -> str:
    """A path without a known suffix. The name of a folder of pictures has none."""
    whole = PurePosixPath(path)
    return (whole.with_suffix("") if whole.suffix.lower() in known else whole).as_posix()


class VideoIndex:
    """Videos by their file names."""

    def __init__(self, videos: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for video in videos:
            path = PurePosixPath(video)
            is_suffix = has_suffix(path.name) or not path.suffix[1:].isdecimal()  # as in the folder of pictures x.1
            for name in {path.name, path.stem if is_suffix else path.name}:
                self._by_name[name].append(video)

    def find(self, entry: str) -> list[str]:
        """The videos that a name fits best: the same file name, with or without suffix, and most folders in common.

        Several if the name is ambiguous, none if it fits no video. A name that is the whole path of one fits it alone.
        """
        path = _path(entry)
        videos = next((self._by_name[name] for name in _forms(path.name) if name in self._by_name), [])
        if len(videos) < 2:
            return list(videos)
        common = {video: _folders_in_common(PurePosixPath(video), path) for video in videos}
        best = [video for video in videos if common[video] == max(common.values())]
        return [video for video in best if PurePosixPath(video).parent == path.parent] or best

    def find_each(self, entries: Collection[str]) -> dict[str, list[str]]:
        """The videos of each name, as `find`, unless the name belongs to a missing video in another folder.

        That is so if the name's folders differ from those of the video, and another name has the video's own folders.
        """
        found = {entry: self.find(entry) for entry in entries}
        at_home = {
            video
            for entry, videos in found.items()
            for video in videos
            if _folders_in_common(PurePosixPath(video), _path(entry)) and _agree(video, entry)
        }
        return {
            entry: [video for video in videos if video not in at_home or _agree(video, entry)]
            for entry, videos in found.items()
        }


def _path(entry: str) -> PurePosixPath:
    return PurePosixPath(entry.replace("\\", "/"))


def _agree(video: str, entry: str) -> bool:
    """Whether the folders that both name are the same."""
    pairs = zip(PurePosixPath(video).parts[-2::-1], _path(entry).parts[-2::-1], strict=False)
    return all(one == other for one, other in pairs)


def has_suffix(name: str) -> bool:
    """Whether a name ends in the suffix of a video or feature."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _forms(name: str) -> Iterator[str]:
    """A file name, also without its suffix, and without `_i3d`."""
    yield name
    stem = plain(name)
    yield stem
    yield stem.removesuffix(FEATURE_ENDING)


def _folders_in_common(one: PurePosixPath, other: PurePosixPath) -> int:
    """The number of equal folders, from the last upward."""
    pairs = zip(one.parts[-2::-1], other.parts[-2::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
