"""Bundles: the lists of videos that one pair of decode and extract jobs takes.

A bundle's name is a digest of its file's content, so that every process gives one list one name.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .digests import json_digest
from .errors import UserError
from .outcomes import write_or_touch

Bundle = dict[str, Any]


def pack(entries: Iterable[dict[str, Any]], bundle_frames: int) -> Iterator[list[dict[str, Any]]]:
    """Group entries, in their order, so that a group's `frames` stay within `bundle_frames`.

    A longer video is a group of its own.
    """
    group: list[dict[str, Any]] = []
    frames = 0
    for entry in entries:
        if group and frames + entry["frames"] > bundle_frames:
            yield group
            group, frames = [], 0
        group.append(entry)
        frames += entry["frames"]
    if group:
        yield group


def make_bundle(settings: dict[str, Any], fingerprint: str, entries: list[dict[str, Any]]) -> Bundle:
    """The bundle of these entries: each has `video`, `path`, `feature`, `digest` and `frames`."""
    content = {"settings": settings, "fingerprint": fingerprint, "videos": entries}
    return {"name": json_digest(content), **content}


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle's file, or touch it.

    Snakemake then finds it newer than any feature it is to replace, whatever lay there before.
    """
    write_or_touch(path, json.dumps(bundle, indent=1))


def read_bundle(path: Path) -> Bundle:
    """Read a bundle file. Raises UserError if it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no bundle file ({error}); run snakemake again, it writes a new one") from None


def bundle_frames(path: Path) -> int:
    """Frames of video in a bundle file; 0 while there is none."""
    return sum(entry["frames"] for entry in read_bundle(path)["videos"]) if path.exists() else 0
