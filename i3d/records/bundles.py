"""Bundles: lists of videos, each for one pair of decode and extract jobs, named by a digest of the content."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
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
    frames: int  # an estimate
    weight: int = 0  # frames of plain video that take as long, see cost/work.py


class Bundle(msgspec.Struct, kw_only=True):
    """The content of a bundle file: all that decode and extract need to know."""

    name: str
    settings: NumericSettings  # what fixes the numbers
    job: JobSettings = JobSettings()
    tree: str = ""  # the real path of the videos tree
    attempt: int = 0
    videos: list[BundleEntry]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the settings that fix the numbers."""
        return self.settings.fingerprint

    @property
    def frames(self) -> int:
        return sum(entry.frames for entry in self.videos)

    @property
    def weight(self) -> int:
        return sum(max(entry.weight, entry.frames) for entry in self.videos)


def pack(entries: Iterable[BundleEntry], bundle_frames: int) -> Iterator[list[BundleEntry]]:
    """Group entries in order, each group within a weight of `bundle_frames`; a heavier video forms its own group."""
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
    """Make a bundle of these entries and name it."""
    bundle = Bundle(name="", settings=settings, job=job or JobSettings(), tree=tree, attempt=attempt, videos=entries)
    return msgspec.structs.replace(bundle, name=json_digest(msgspec.to_builtins(bundle)))


def new_bundle(
    settings: NumericSettings, job: JobSettings, entries: list[BundleEntry], work: WorkFolder, *, tree: str = ""
) -> Bundle:
    """Make a bundle under a name that no earlier attempt has used: Snakemake would mistake its leftovers for ours."""
    attempts = (make_bundle(settings, entries, job=job, tree=tree, attempt=attempt) for attempt in count())
    return next(bundle for bundle in attempts if not _has_traces(bundle.name, work))


def _has_traces(name: str, work: WorkFolder) -> bool:
    traces = work.journal(name), work.extracted / name, work.frames / f"{name}.frames"
    return any(path.exists() for path in traces)


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle's file, unless it exists and is sound."""
    content = msgspec.json.format(msgspec.json.encode(bundle), indent=1)
    with suppress(OSError):
        if read_file(path) == content:
            return
    write_atomically(path, content)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle file. Raises UserError if it is missing or damaged."""
    try:
        bundle = read_json(path, Bundle)
        nameless = msgspec.structs.replace(bundle, name="")
        if bundle.name != json_digest(msgspec.to_builtins(nameless)):
            raise ValueError("its content does not fit its name")
        return bundle
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable bundle file ({error}); run snakemake again, it writes it") from None
