"""Bundles: the lists of videos that one pair of decode and extract jobs takes.

A bundle's name is a digest of its file's content, so that every process gives one list one name.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.files import write_atomically
from i3d.records.work_folder import WorkFolder


class BundleEntry(msgspec.Struct, kw_only=True):
    """A video of a bundle."""

    video: str  # path under the videos tree
    path: str
    feature: str  # path under the features tree
    digest: str  # of the video's content
    frames: int  # as far as planning can tell
    weight: int = 0  # frames of plain video that take as long, see cost.weigh


class Bundle(msgspec.Struct, kw_only=True):
    """A bundle file: all that decode and extract need to know."""

    name: str
    settings: dict[str, Any]  # what fixes the numbers
    fingerprint: str  # of the settings
    tree: str = ""  # the real path of the videos tree
    attempt: int = 0
    videos: list[BundleEntry]

    @property
    def frames(self) -> int:
        return sum(entry.frames for entry in self.videos)

    @property
    def weight(self) -> int:
        return sum(max(entry.weight, entry.frames) for entry in self.videos)


def pack(entries: Iterable[BundleEntry], bundle_frames: int) -> Iterator[list[BundleEntry]]:
    """Group entries, in their order, so that a group's weight stays within `bundle_frames`.

    A heavier video is a group of its own.
    """
    group: list[BundleEntry] = []
    total = 0
    for entry in entries:
        weight = max(entry.weight, entry.frames)
        if group and total + weight > bundle_frames:
            yield group
            group, total = [], 0
        group.append(entry)
        total += weight
    if group:
        yield group


def make_bundle(
    settings: dict[str, Any], fingerprint: str, entries: list[BundleEntry], *, tree: str = "", attempt: int = 0
) -> Bundle:
    """The bundle of these entries."""
    content = {
        "settings": settings,
        "fingerprint": fingerprint,
        "tree": tree,
        "attempt": attempt,
        "videos": [msgspec.structs.asdict(entry) for entry in entries],
    }
    name = json_digest(content)
    return Bundle(name=name, settings=settings, fingerprint=fingerprint, tree=tree, attempt=attempt, videos=entries)


def new_bundle(
    settings: dict[str, Any], fingerprint: str, entries: list[BundleEntry], work: WorkFolder, *, tree: str = ""
) -> Bundle:
    """The bundle of these entries, under a name that no earlier attempt at them has used.

    Otherwise Snakemake would take what that attempt left for this one's.
    """
    for attempt in count():
        bundle = make_bundle(settings, fingerprint, entries, tree=tree, attempt=attempt)
        if not any(path.exists() for path in _traces(bundle.name, work)):
            return bundle
    raise AssertionError


def _traces(name: str, work: WorkFolder) -> tuple[Path, ...]:
    return work.journal(name), work.extracted / name, work.frames / f"{name}.frames"


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle's file, unless it is there and sound."""
    content = msgspec.json.format(msgspec.json.encode(bundle), indent=1)
    try:
        sound = path.read_bytes() == content
    except OSError:
        sound = False
    if not sound:
        write_atomically(path, content)


def _renamed(bundle: Bundle) -> Bundle:
    """The bundle under the name that its content gives it."""
    return make_bundle(bundle.settings, bundle.fingerprint, bundle.videos, tree=bundle.tree, attempt=bundle.attempt)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle file. Raises UserError if it is missing or damaged."""
    try:
        bundle = msgspec.json.decode(path.read_bytes(), type=Bundle)
        if bundle != _renamed(bundle):
            raise ValueError("its content is not what its name stands for")
        return bundle
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise UserError(f"{path}: not a readable bundle file ({error}); run snakemake again, it writes it") from None
