"""Where exports may go: nowhere near the videos, the features or each other's files."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from i3d.errors import UserError
from i3d.paths import is_below, overlap
from i3d.results.metadata import Row


def check_places(config: Mapping[str, Any]) -> None:
    """Raise UserError if an export's folder is, holds or lies in a folder of something else; `config` is complete."""
    lists, crops = config["lists"]["folder"], config["crops"]["folder"]
    for key, folder in (("lists", lists), ("crops", crops)):
        for name in ("videos", "features"):
            if overlap(Path(folder), Path(config[name])):
                raise UserError(
                    f"{key}: the folder {folder} and '{name}' ({config[name]}) lie in each other; "
                    f"set `{key}: folder` to a place of its own"
                )
    if is_below(Path(lists), Path(crops)) or overlap(flat_folder(config), Path(crops)):
        raise UserError(
            f"crops: the folder {crops} and that of the lists ({lists}) share files; set `crops: folder` to a place of "
            "its own"
        )


def flat_folder(config: Mapping[str, Any]) -> Path:
    """The folder of TEVAD's and S3R's names."""
    return Path(config["lists"]["folder"], "i3d")


def refuse_linked_overlap(folder: Path, rows: Iterable[Row], features: Path, videos: str) -> None:
    """Raise UserError if a link below the videos or the features leads to the folder of an export, or into it."""
    below = {PurePosixPath(row.video).parent for row in rows}
    for tree in (features, Path(videos)):
        for place in sorted(below):
            if not is_below(tree / place, tree) and overlap(tree / place, folder):
                raise UserError(
                    f"{folder}: a link leads there from {tree / place}; set the export's folder to a place of its own"
                )
