"""Augmented and cropped copies, recognised by their names.

Smart-Surveillance's tools write `anomaly_augmented/x_flip_h.mp4` and `anomaly_cropped/x.mp4` for `anomaly/x.mp4`: a
copy has an ending more than its source, in its own name or in that of its folder.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from i3d.datasets.matching import plain, suffixes


class CopyNames:
    """Names of copies, which continue with `_` and one of `endings`, once or more often.

    `*` in an ending matches any characters but `_`, as in `rot*`. `extensions` are suffixes of videos besides the
    usual ones; what else follows a dot is part of a name.
    """

    def __init__(self, endings: Iterable[str] = (), extensions: Iterable[str] = ()) -> None:
        self._suffixes = suffixes(extensions)
        self._endings = [_expression(ending) for ending in endings]
        self._whole = re.compile("|".join(self._endings) or "(?!)")
        self._ends = re.compile(rf"(.+?)(?:_(?:{self._whole.pattern}))+")

    def source(self, video: str) -> str:
        """The path of the video's source without its suffix; the video's own path when it is no copy."""
        path = PurePosixPath(self.plain(video))
        folders = [self._stripped(folder) for folder in path.parts[:-1] if not self._whole.fullmatch(folder)]
        return PurePosixPath(*folders, self._stripped(path.name)).as_posix()

    def is_copy(self, video: str) -> bool:
        """Whether the name says that the video is a copy."""
        return self.source(video) != self.plain(video)

    def plain(self, video: str) -> str:
        """The path of a video without its suffix, which a folder of pictures does not have."""
        return plain(video, self._suffixes)

    def _stripped(self, name: str) -> str:
        match = self._ends.fullmatch(name)
        return match[1] if match else name


def _expression(ending: str) -> str:
    """An ending as a regular expression without backtracking: each text between stars matches at its first place."""
    first, *middle = (re.escape(text) for text in re.split(r"\*+", ending))
    if not middle:
        return first
    *middle, last = middle
    return "".join([first, *(f"(?>[^_]*?{text})" for text in middle), f"[^_]*{last}(?![^_])"])
