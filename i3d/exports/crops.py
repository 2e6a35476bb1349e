"""One file per crop, for loaders that want (snippets, 2048), and the lists of these files.

UR-DMU, BN-WVAD, PEL4VAD and DeepMIL read them from a list, a video's crops on consecutive lines, anomalies first;
VadCLIP from a CSV. UR-DMU reads the label from `Normal` in a file name, PEL4VAD the class from the text before the
first `_`, and UR-DMU and BN-WVAD cut lines at spaces: the names here suit them all.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from i3d.errors import UserError
from i3d.exports.ground_truth import load
from i3d.exports.receipts import Content, Lazy, npy_of
from i3d.exports.selection import below_split, counts, refuse_line_breaks
from i3d.quantities import named
from i3d.records.record import Row

# Our crops (top left, top right, centre, bottom left, bottom right, then the same mirrored) in each order.
CROP_ORDERS = {
    "original": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    "tencrop": (0, 1, 3, 4, 2, 5, 6, 8, 9, 7),  # torchvision.transforms.TenCrop: corners, centre, mirrored
    "centre_first": (2, 0, 1, 3, 4, 7, 5, 6, 8, 9),  # XD-Violence and DeepMIL: centre, corners, mirrored
}
CENTRE = 2


def _crop_stem(row: Row) -> str:
    """The name of a video's crop files without `__0.npy`.

    Names of normal videos begin with `Normal_`, those of anomalies never contain `Normal`, and spaces become `_`.
    """
    stem = _unspaced(PurePosixPath(row.feature_file).stem)
    if row.label == 0:
        return stem if stem.startswith("Normal_") else f"Normal_{stem}"
    return stem.replace("Normal", "normal")


def _unspaced(text: str) -> str:
    return "_".join(text.split())


def crop_paths(rows: Iterable[Row], folder: Path) -> list[list[Path]]:
    """The paths `folder/<category>/<name>__<crop>.npy` of each video. Raises UserError when two want one name."""
    owner: dict[Path, str] = {}
    paths = []
    for row in rows:
        folders = below_split(row, row.feature_file).parts[:-1]
        stem = folder.joinpath(*map(_unspaced, folders), _crop_stem(row))
        if stem in owner:
            raise UserError(f"{owner[stem]} and {row.video} both want {stem}__0.npy; rename one")
        owner[stem] = row.video
        paths.append([stem.with_name(f"{stem.name}__{crop}.npy") for crop in range(row.crops or 0)])
    return paths


def crop_files(rows: Sequence[Row], features: Path, folder: Path, order: str) -> dict[Path, Content]:
    """The content of each video's `crop_paths`, float32 (snippets, 2048). `order` is ignored for a single crop.

    Raises UserError when a feature is gone, or two videos want one name.
    """
    contents: dict[Path, Content] = {}
    for row, paths in zip(rows, crop_paths(rows, folder), strict=True):
        feature = features / row.feature_file
        content = row.feature_sha256 or version(feature)
        places = CROP_ORDERS[order] if len(paths) == len(CROP_ORDERS[order]) else range(len(paths))
        for path, place in zip(paths, places, strict=True):
            contents[path] = Lazy(f"{place} of {content}", partial(_crop, feature, place))
    return contents


def version(feature: Path) -> str:
    """Size and time of a feature file, to detect changes where tables of earlier releases lack its SHA-256."""
    load(feature)
    status = feature.stat()
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _crop(feature: Path, place: int) -> bytes:
    return npy_of(np.ascontiguousarray(load(feature)[:, place]))


def crop_counts(rows: Sequence[Row]) -> dict[str, Any]:
    """Lines per class in a list of all crops (UR-DMU's 8100 for UCF-Crime), and videos per class."""
    each = rows[0].crops or 1
    videos = counts(rows)
    return {"crops": each, "videos": videos, "lines": {label: number * each for label, number in videos.items()}}


def crop_lines(files: Iterable[Sequence[Path]]) -> list[str]:
    """One crop file per line, a video's crops together. Raises UserError for a space, at which UR-DMU cuts lines."""
    lines = [str(path) for paths in files for path in paths]
    if broken := [line for line in lines if len(line.split()) != 1]:
        raise UserError(
            f"{named(broken, 1)}: UR-DMU and BN-WVAD cut the lines of their lists at spaces; set `crops: folder` and "
            "`crops: root` to paths without any"
        )
    return lines


def one_crop_lines(files: Iterable[Sequence[Path]], crop: int) -> list[str]:
    """One line per video, the file of that crop, as for DeepMIL's and VadCLIP's tests."""
    lines = [str(one_crop(paths, crop)) for paths in files]
    refuse_line_breaks(lines)
    return lines


def one_crop(paths: Sequence[Path], crop: int) -> Path:
    """The file of that crop, or the only file."""
    return paths[min(crop, len(paths) - 1)]


def centre_crop(order: str) -> int:
    """The number of the file with the centre of the frame, not mirrored."""
    return CROP_ORDERS[order].index(CENTRE)
