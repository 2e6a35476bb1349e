"""Paths from files and settings: whether they stay below their folder, and whether two folders overlap."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from i3d.errors import UserError


def workflow_folder(name: str) -> Path:
    """Return a folder of the workflow: beside the package in a clone, within it when installed (setup.py)."""
    package = Path(__file__).parent
    installed = package / "workflow" / name
    return installed if installed.exists() else package.parent / name


def check_encoding() -> None:
    """Raise UserError where this Python reads names of files in another way than UTF-8, as trees are written."""
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise UserError(f"Python reads names of files as {encoding} here; `export PYTHONUTF8=1`, and run this again")


def is_clean(name: str) -> bool:
    """Whether this is a path below some folder: relative, without `..`, in its normal form."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold
        return False
    return "\0" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))


def feature_of(video: str, *, folder: bool = False) -> str:
    """Return the path of a video's feature: `a/x.1.npy` for the file `a/x.1.mp4` and for the folder `a/x.1`."""
    if folder:
        return f"{video}.npy"
    above, slash, name = video.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    return f"{above}{slash}{stem if stem and suffix else name}.npy"


def features_of(video: str) -> tuple[str, str]:
    """Return the two feature files that a video of this path may have: as a file, and as a folder of pictures."""
    return feature_of(video), feature_of(video, folder=True)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or lies below it, with all links followed."""
    return _real(path).is_relative_to(_real(folder))


def overlap(one: Path, other: Path) -> bool:
    """Whether two folders, which need not exist, are the same or nested, however they are spelt, linked or mounted."""
    return _contains(one, other) or _contains(other, one)


def _contains(outer: Path, inner: Path) -> bool:
    if is_below(inner, outer):
        return True
    identity = _identity(outer)  # one place under two names, as by a bind mount or a file system that folds case
    return identity is not None and any(_identity(each) == identity for each in (_real(inner), *_real(inner).parents))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None
