"""Whether this user has the permissions that a run needs, in a features tree that may be another's or a group's."""

import os
from collections.abc import Iterable
from pathlib import Path

from i3d.errors import UserError
from i3d.files import is_writable, user_name
from i3d.records.record import VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.results.names import METADATA, SUMMARY


def check_readable(work: WorkFolder) -> None:
    """Raise UserError if this user may not read the records of earlier runs: everything would be done again."""
    try:
        work.features.is_dir()
    except PermissionError:
        raise UserError(
            f"features: you may not enter a folder above {work.features}; let its owner change that, or set 'features' "
            "elsewhere"
        ) from None
    for folder in (work.features, work.root, work.journals):
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            raise UserError(f"features: {folder} is {_not_yours(folder, work)}")


def refuse_unreadable(feature: Path, size: int | None, work: WorkFolder) -> None:
    """Raise UserError if this user may not read a feature of the recorded size: it would count as a foreign file."""
    try:
        unreadable = feature.stat().st_size == size and not os.access(feature, os.R_OK)
    except PermissionError:
        feature, unreadable = first_closed(feature), True
    except OSError:
        return
    if unreadable:
        raise UserError(f"features: {feature} is {_not_yours(feature, work)}")


def first_closed(path: Path) -> Path:
    """Return the topmost folder above a path that this user may not enter."""
    return next(folder for folder in reversed(path.parents) if not os.access(folder, os.X_OK))


def check_writable(work: WorkFolder, replaced: Iterable[VideoRecord] = ()) -> None:
    """Raise UserError if this user cannot write the features tree, or what earlier runs left in it.

    `replaced` are the records of features to be made anew. Folders below the top are not checked: a read-only one only
    affects its own videos.
    """
    try:
        work.features.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"features: cannot make the folder {work.features} ({error.strerror}); set 'features' elsewhere"
        ) from None
    for folder in (work.features, work.root, *work.folders):
        if folder.is_dir() and not is_writable(folder):
            raise UserError(f"features: {folder} is {_not_yours(folder, work)}")
    features = (work.features / record.feature_file for record in replaced)
    for path in (work.lock, work.features / METADATA, work.features / SUMMARY, *features):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise UserError(f"features: {path} is {_not_yours(path, work)}")


def check_working_folder(folder: Path) -> None:
    """Raise UserError if Snakemake cannot keep its own files in this working folder."""
    own = folder / ".snakemake"
    for place in (own, *(own / name for name in ("locks", "log", "metadata", "incomplete"))):
        if not is_writable(place):
            raise UserError(
                f"{place if place.exists() else folder}: you may not write here, and Snakemake keeps its own files in "
                "the folder that it works in; let that be one of yours with `--directory FOLDER`"
            )


def may_write(work: WorkFolder) -> bool:
    """Whether this user may write to the work folder, and lock the tree."""
    folders = (work.root, *(folder for folder in work.folders if os.path.isdir(folder)))  # noqa: PTH112 (never raises)
    there = os.path.exists(work.lock)  # noqa: PTH110 (likewise)
    return all(map(is_writable, folders)) and (not there or os.access(work.lock, os.R_OK | os.W_OK))


def _not_yours(path: Path, work: WorkFolder) -> str:
    if os.access(path, os.R_OK) and os.statvfs(path).f_flag & os.ST_RDONLY:
        return "on a file system that cannot be written; set 'features' elsewhere"
    if path.stat().st_uid == os.geteuid():
        return f"yours, without the right to use it; run `chmod -R u+rwX {work.features}`"
    owner = user_name(path.stat().st_uid)
    return (
        f"{owner}'s, and you may not use it; let {owner} run `chmod -R g+rwX {work.features}`, or set 'features' to a "
        "folder of yours"
    )
