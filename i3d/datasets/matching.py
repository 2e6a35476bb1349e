"""Which video a name in an official list or annotation means."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from i3d.settings import VIDEO_SUFFIXES

SUFFIXES = {f".{suffix}" for suffix in VIDEO_SUFFIXES} | {".npy"}
FEATURE_ENDING = "_i3d"  # of names in lists of features


class VideoIndex:
    """Videos by their file names."""

    def __init__(self, videos: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for video in videos:
            path = PurePosixPath(video)
            for name in {path.name, path.stem}:
                self._by_name[name].append(video)

    def find(self, entry: str) -> list[str]:
        """The videos that a name fits best: of equal file name, with or without suffix, and most folders in common.

        More than one where the name does not tell them apart, none where it fits none.
        """
        path = PurePosixPath(entry.replace("\\", "/"))
        videos = next((found for name in _forms(path.name) if (found := self._by_name.get(name))), [])
        if len(videos) < 2:
            return list(videos)
        common = {video: _folders_in_common(PurePosixPath(video), path) for video in videos}
        return [video for video in videos if common[video] == max(common.values())]


def _forms(name: str) -> Iterator[str]:
    """A file name, and what is left of it without suffix and ending."""
    yield name
    stem = PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in SUFFIXES else name
    yield stem
    yield stem.removesuffix(FEATURE_ENDING)


def _folders_in_common(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many folders, from the last one upward, are the same."""
    number = 0
    for ours, theirs in zip(one.parts[-2::-1], other.parts[-2::-1], strict=False):
        if ours != theirs:
            break
        number += 1
    return number
