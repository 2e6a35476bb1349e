"""The folders that exports go to, kept apart from the videos, the features and each other."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from i3d.errors import UserError
from i3d.paths import is_below, overlap
from i3d.records.record import Row
from i3d.settings import Settings


def lists_folder(settings: Settings) -> Path:
    """The folder of the lists and the ground truth."""
    return Path(settings.lists.folder)


def crops_folder(settings: Settings) -> Path:
    """The folder of the crop files and their lists."""
    return Path(settings.crops.folder)


def flat_folder(settings: Settings) -> Path:
    """The folder of the links with TEVAD's and S3R's names."""
    return lists_folder(settings) / "i3d"


def check_places(settings: Settings) -> None:
    """Raise UserError if an export's folder overlaps the videos, the features or another export's folder."""
    lists, crops = settings.lists.folder, settings.crops.folder
    for key, folder in (("lists", lists), ("crops", crops)):
        for name, tree in (("videos", settings.videos), ("features", settings.features)):
            if overlap(Path(folder), Path(tree)):
                raise UserError(
                    f"{key}: the folder {folder} and '{name}' ({tree}) overlap; "
                    f"set `{key}: folder` to a place of its own, or '{name}' to a folder without it"
                )
    if is_below(Path(lists), Path(crops)) or overlap(flat_folder(settings), Path(crops)):
        raise UserError(
            f"crops: the folder {crops} and that of the lists ({lists}) share files; set `crops: folder` to a place of "
            "its own"
        )


def refuse_linked_overlap(folder: Path, rows: Iterable[Row], features: Path, videos: str) -> None:
    """Raise UserError if a link below the videos or the features leads to an export's folder, or into it."""
    below = {PurePosixPath(row.video).parent for row in rows}
    for tree in (features, Path(videos)):
        for place in sorted(below):
            if not is_below(tree / place, tree) and overlap(tree / place, folder):
                raise UserError(
                    f"{folder}: a link leads there from {tree / place}; set the export's folder to a place of its own"
                )
