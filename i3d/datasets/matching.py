"""Find the video that a name in an official list or annotation refers to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import takewhile
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
        """The videos that a name fits best: the same file name, with or without suffix, and most folders in common.

        Several if the name is ambiguous, none if it fits no video.
        """
        path = PurePosixPath(entry.replace("\\", "/"))
        videos = next((self._by_name[name] for name in _forms(path.name) if name in self._by_name), [])
        if len(videos) < 2:
            return list(videos)
        common = {video: _folders_in_common(PurePosixPath(video), path) for video in videos}
        return [video for video in videos if common[video] == max(common.values())]


def _forms(name: str) -> Iterator[str]:
    """A file name, also without its suffix, and without `_i3d`."""
    yield name
    stem = PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in SUFFIXES else name
    yield stem
    yield stem.removesuffix(FEATURE_ENDING)


def _folders_in_common(one: PurePosixPath, other: PurePosixPath) -> int:
    """The number of equal folders, from the last upward."""
    pairs = zip(one.parts[-2::-1], other.parts[-2::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
