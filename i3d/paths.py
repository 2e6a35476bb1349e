"""Paths from files and settings: whether they stay where they belong, and whether two folders share a place."""

import os
from pathlib import Path, PurePosixPath


def workflow_folder(name: str) -> Path:
    """A folder of the workflow that the package reads: beside it in a clone, in it when it was installed (setup.py)."""
    package = Path(__file__).parent
    installed = package / "workflow" / name
    return installed if installed.exists() else package.parent / name


def is_clean(name: str) -> bool:
    """Whether this is a path below some folder: relative, without `..`, and written as we write it."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half a character, as JSON can spell it
        return False
    path = PurePosixPath(name)
    below = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return below and "\0" not in name and name == path.as_posix()


def feature_of(video: str, *, folder: bool = False) -> str:
    """The feature file of a video, both by their paths below their trees: `a/x.1.mp4` gives `a/x.1.npy`.

    A folder of pictures has no suffix: `a/x.1` gives `a/x.1.npy`.
    """
    return f"{video}.npy" if folder else str(PurePosixPath(video).with_suffix(".npy"))


def features_of(video: str) -> tuple[str, str]:
    """The feature files that a video of this path may have: as a file, and as a folder of pictures."""
    return feature_of(video), feature_of(video, folder=True)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or leads below it, once all links are followed."""
    return _real(path).is_relative_to(_real(folder))


def overlap(one: Path, other: Path) -> bool:
    """Whether two folders are one, or one lies in the other, however they are spelt, linked or mounted.

    Folders need not exist yet.
    """
    return _contains(one, other) or _contains(other, one)


def _contains(outer: Path, inner: Path) -> bool:
    if is_below(inner, outer):
        return True
    identity = _identity(outer)  # the same place under two names, as a bind mount or a file system that folds case has
    return identity is not None and any(_identity(each) == identity for each in (_real(inner), *_real(inner).parents))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
