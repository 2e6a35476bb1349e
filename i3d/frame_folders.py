"""Folders: those of numbered pictures, which are videos, and what in any folder is not content."""

import os
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

PICTURE_SUFFIXES = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"}
BYSTANDERS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}  # left in any folder by systems
DECODER = "pillow"  # of their pictures, as records name it
LOOKED_AT = 32  # pictures sampled from a folder, beside the last one

Numbered = list[tuple[int, str]]  # pictures in the order of their numbers

_digits = re.compile("([0-9]+)")


class NotFramesError(Exception):
    """The numbered pictures of a folder are not one video; the message says why."""


def is_bystander(name: str) -> bool:
    """Whether a file or folder of this name is hidden or system litter, not content."""
    return name.startswith(".") or name.lower() in BYSTANDERS


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below a root, by the first path that leads there, with its folders and files in order.

    Links are followed; bystanders are passed over.
    """
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(name for name in folders if not is_bystander(name))
        if real not in seen:
            seen.add(real)
            yield Path(folder), list(folders), sorted(name for name in files if not is_bystander(name))


def is_picture(name: str) -> bool:
    return name.rpartition(".")[2].lower() in PICTURE_SUFFIXES


def numbered(names: Iterable[str]) -> Numbered | None:
    """Return the pictures in the order of their numbers; None unless all names are numbered pictures.

    The names must differ in one number only, apart from their suffixes: `000.jpg`, `img_12.png`, `cam2_0001_left.tif`.
    Raises NotFramesError if two pictures have the same number.
    """
    pictures = [name for name in names if not is_bystander(name)]
    if not pictures or not all(map(is_picture, pictures)):
        return None
    parts = [_digits.split(name.rpartition(".")[0]) for name in pictures]  # texts and numbers in turn
    if len(parts[0]) == 1 or any(each[::2] != parts[0][::2] for each in parts):
        return None
    columns = [list(map(int, column)) for column in list(zip(*parts, strict=True))[1::2]]
    varying = [column for column in columns if len(set(column)) > 1]
    if len(varying) > 1:
        return None
    in_order = sorted(zip(varying[0] if varying else columns[-1], pictures, strict=True))
    for (number, name), (next_number, next_name) in pairwise(in_order):
        if number == next_number:
            raise NotFramesError(f"its pictures {name} and {next_name} have the same number; remove one")
    return in_order


def pictures_in(folder: int | str | os.PathLike) -> Numbered | None:
    """List the numbered pictures of a folder, given as a path or a descriptor, as `numbered`. Raises OSError."""
    return numbered(os.listdir(folder))  # noqa: PTH208 (a descriptor)


def looked_at(count: int) -> list[int]:
    """Return the places of the pictures sampled to represent all `count`: evenly spaced, both ends included."""
    return sorted({*(place * count // LOOKED_AT for place in range(LOOKED_AT)), count - 1})


def gaps(pictures: Numbered) -> str | None:
    """Describe missing numbers in words; None without any. A constant step above 1 is no gap."""
    numbers = [number for number, _ in pictures]
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps or not (missing := sum(step // min(steps) - 1 for step in steps)):
        return None
    return f"{missing:,} of the numbers {numbers[0]} to {numbers[-1]} {'is' if missing == 1 else 'are'} missing"
