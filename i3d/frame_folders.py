"""Folders of numbered pictures, each of which is a video: what makes one, and the order of its frames.

This module stays light: planning asks it about every folder.
"""

import os
import re
from collections.abc import Iterable
from itertools import pairwise

PICTURE_SUFFIXES = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"}
BYSTANDERS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}  # what systems leave in any folder
LOOKED_AT = 32  # pictures of a folder, beside the last one, whose content and times stand for all

Numbered = list[tuple[int, str]]  # pictures in the order of their numbers

_digits = re.compile("([0-9]+)")


class NotFramesError(Exception):
    """A folder holds numbered pictures that are not one video; the message says why."""


def is_bystander(name: str) -> bool:
    """Whether a file or folder of this name says nothing of the folder that it lies in."""
    return name.startswith(".") or name.lower() in BYSTANDERS


def is_picture(name: str) -> bool:
    return name.rpartition(".")[2].lower() in PICTURE_SUFFIXES


def numbered(names: Iterable[str]) -> Numbered | None:
    """The pictures in the order of their numbers; None if these are not names of numbered pictures alone.

    The names must differ in one number and be equal before and after it, but for their suffixes: `000.jpg`,
    `img_12.png`, `cam2_0001_left.tif`. Raises NotFramesError if two pictures have the same number.
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
    found = sorted(zip(varying[0] if varying else columns[-1], pictures, strict=True))
    for (number, name), (other, another) in pairwise(found):
        if number == other:
            raise NotFramesError(f"its pictures {name} and {another} have the same number; remove one")
    return found


def pictures_in(folder: int | str | os.PathLike) -> Numbered | None:
    """The numbered pictures of a folder, given as a path or a descriptor; as `numbered`. Raises OSError."""
    return numbered(os.listdir(folder))  # noqa: PTH208 (a descriptor)


def looked_at(count: int) -> list[int]:
    """The places of the pictures whose content and times stand for those of all `count`: the ends, and evenly."""
    return sorted({*(place * count // LOOKED_AT for place in range(LOOKED_AT)), count - 1})


def gaps(pictures: Numbered) -> str | None:
    """Which numbers are missing, in words, None if none is; where every second or tenth frame was kept, none is."""
    numbers = [number for number, _ in pictures]
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps or not (missing := sum(step // min(steps) - 1 for step in steps)):
        return None
    return f"{missing:,} of the numbers {numbers[0]} to {numbers[-1]} {'is' if missing == 1 else 'are'} missing"
