"""Where exports may go: nowhere near the videos, the features or each other's files."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from i3d.errors import UserError
from i3d.paths import is_below, overlap
from i3d.records.record import Row
from i3d.settings import Settings


def check_places(settings: Settings) -> None:
    """Raise UserError if an export's folder is, holds or lies in a folder of something else."""
    lists, crops = settings.lists.folder, settings.crops.folder
    for key, folder in (("lists", lists), ("crops", crops)):
        for name, tree in (("videos", settings.videos), ("features", settings.features)):
            if overlap(Path(folder), Path(tree)):
                raise UserError(
                    f"{key}: the folder {folder} and '{name}' ({tree}) lie in each other; "
                    f"set `{key}: folder` to a place of its own"
                )
    if is_below(Path(lists), Path(crops)) or overlap(flat_folder(settings), Path(crops)):
        raise UserError(
            f"crops: the folder {crops} and that of the lists ({lists}) share files; set `crops: folder` to a place of "
            "its own"
        )


def flat_folder(settings: Settings) -> Path:
    """The folder of TEVAD's and S3R's names."""
    return Path(settings.lists.folder, "i3d")


def refuse_linked_overlap(folder: Path, rows: Iterable[Row], features: Path, videos: str) -> None:
    """Raise UserError if a link below the videos or the features leads to the folder of an export, or into it."""
    below = {PurePosixPath(row.video).parent for row in rows}
    for tree in (features, Path(videos)):
        for place in sorted(below):
            if not is_below(tree / place, tree) and overlap(tree / place, folder):
                raise UserError(
                    f"{folder}: a link leads there from {tree / place}; set the export's folder to a place of its own"
                )
