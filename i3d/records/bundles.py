"""Bundles: the lists of videos that one pair of decode and extract jobs takes.

A bundle's name is a digest of its file's content, so that every process gives one list one name.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import msgspec

from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.files import read_file, read_json, write_atomically
from i3d.records.work_folder import WorkFolder
from i3d.settings import JobSettings, NumericSettings


class BundleEntry(msgspec.Struct, kw_only=True):
    """A video of a bundle."""

    video: str  # path under the videos tree
    path: str
    feature: str  # path under the features tree
    digest: str  # of the video's content
    frames: int  # as far as planning can tell
    weight: int = 0  # frames of plain video that take as long, see cost/work.py


class Bundle(msgspec.Struct, kw_only=True):
    """A bundle file: all that decode and extract need to know."""

    name: str
    settings: NumericSettings  # what fixes the numbers
    job: JobSettings = JobSettings()
    tree: str = ""  # the real path of the videos tree
    attempt: int = 0
    videos: list[BundleEntry]

    @property
    def fingerprint(self) -> str:
        """Of the settings that fix the numbers."""
        return self.settings.fingerprint

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
    settings: NumericSettings,
    entries: list[BundleEntry],
    *,
    job: JobSettings | None = None,
    tree: str = "",
    attempt: int = 0,
) -> Bundle:
    """The bundle of these entries."""
    bundle = Bundle(name="", settings=settings, job=job or JobSettings(), tree=tree, attempt=attempt, videos=entries)
    return msgspec.structs.replace(bundle, name=json_digest(msgspec.to_builtins(bundle)))


def new_bundle(
    settings: NumericSettings, job: JobSettings, entries: list[BundleEntry], work: WorkFolder, *, tree: str = ""
) -> Bundle:
    """The bundle of these entries, under a name that no earlier attempt at them has used.

    Otherwise Snakemake would take what that attempt left for this one's.
    """
    for attempt in count():
        bundle = make_bundle(settings, entries, job=job, tree=tree, attempt=attempt)
        if not any(path.exists() for path in _traces(bundle.name, work)):
            return bundle
    raise AssertionError


def _traces(name: str, work: WorkFolder) -> tuple[Path, ...]:
    return work.journal(name), work.extracted / name, work.frames / f"{name}.frames"


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle's file, unless it is there and sound."""
    content = msgspec.json.format(msgspec.json.encode(bundle), indent=1)
    try:
        sound = read_file(path) == content
    except OSError:
        sound = False
    if not sound:
        write_atomically(path, content)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle file. Raises UserError if it is missing or damaged."""
    try:
        bundle = read_json(path, Bundle)
        nameless = msgspec.structs.replace(bundle, name="")
        if bundle.name != json_digest(msgspec.to_builtins(nameless)):
            raise ValueError("its content is not what its name stands for")
        return bundle
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable bundle file ({error}); run snakemake again, it writes it") from None
