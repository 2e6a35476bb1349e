"""Videos that are not in their places: whether they are gone, or perhaps on a disk that is not mounted."""

import os
from functools import cache
from pathlib import Path


class MissingVideos:
    """Looks up videos by their paths under the videos tree, each folder above them once."""

    def __init__(self, videos: Path) -> None:
        self._videos = videos
        self._nearest = cache(self._nearest_folder)
        self._shows_anything = cache(_shows_anything)

    def is_missing(self, video: str) -> bool:
        """Whether a video is not in its place; False where that cannot be known, as in a folder of somebody else's."""
        try:
            os.lstat(self._videos / video)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            pass
        return False

    def is_gone(self, video: str) -> bool:
        """Whether a video is missing, and not only out of reach, below a link to nothing."""
        if not self.is_missing(video):
            return False
        folder = self._folder_above(video)
        return os.path.exists(folder) or not os.path.lexists(folder)  # noqa: PTH110 (Path.exists raises)

    def blank(self, video: str) -> Path | None:
        """Return the folder that may be a disk that is not mounted, if a missing video may be there; else None.

        It is the nearest folder above the video that exists, or the one at the top if that does not, and is blank if it
        is gone, empty, unreadable or a link to nothing.
        """
        folder = self._folder_above(video)
        return None if self._shows_anything(folder) else folder

    def _folder_above(self, video: str) -> Path:
        above, slash, _ = video.rpartition("/")
        return self._nearest(above) if slash else self._videos

    def _nearest_folder(self, folder: str) -> Path:
        path, above = self._videos / folder, folder.rpartition("/")[0]
        return path if not above or os.path.lexists(path) else self._nearest(above)


def _shows_anything(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:
        return False
