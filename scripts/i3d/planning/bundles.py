"""Bundles: the lists of videos that one pair of decode and extract jobs takes.

A bundle's name is a digest of its file's content, so that every process gives one list one name.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.records.outcomes import Work, staged, write_atomically

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


def make_bundle(settings: dict[str, Any], fingerprint: str, entries: list[dict[str, Any]], attempt: int = 0) -> Bundle:
    """The bundle of these entries: each has `video`, `path`, `feature`, `digest` and `frames`."""
    content = {"settings": settings, "fingerprint": fingerprint, "attempt": attempt, "videos": entries}
    return {"name": json_digest(content), **content}


def new_bundle(settings: dict[str, Any], fingerprint: str, entries: list[dict[str, Any]], work: Work) -> Bundle:
    """The bundle of these entries, under a name that no earlier attempt at them has used.

    Snakemake would take the earlier one's outcomes or frames for this one's: it goes by a small input's checksum, so
    that a newer bundle file with the same content does not make it run the job again. An attempt whose features all
    wait in the staging tree, as a job leaves them that outlived its run, keeps its name and is not extracted again.
    """
    for attempt in count():
        bundle = make_bundle(settings, fingerprint, entries, attempt)
        name = bundle["name"]
        outcomes, frames = work.outcomes / f"{name}.jsonl", work.frames / f"{name}.frames"
        extracted = (
            outcomes.exists()
            and not _marked_incomplete(outcomes)
            and all(staged(work.staging, entry, fingerprint) for entry in entries)
        )
        if extracted or not (outcomes.exists() or frames.exists()):
            return bundle
    raise AssertionError


def _marked_incomplete(path: Path) -> bool:
    """Whether Snakemake was stopped before it took note that this file's job had ended; it would refuse to use it."""
    return (Path(".snakemake/incomplete") / urlsafe_b64encode(str(path).encode()).decode()).exists()


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write a bundle's file, unless it is there and sound."""
    text = json.dumps(bundle, indent=1)
    try:
        sound = path.read_text() == text
    except (OSError, ValueError):
        sound = False
    if not sound:
        write_atomically(path, text)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle file. Raises UserError if it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no bundle file ({error}); run snakemake again, it writes a new one") from None


def bundle_frames(path: Path) -> int:
    """Frames of video in a bundle file; 0 while there is none."""
    return sum(entry["frames"] for entry in read_bundle(path)["videos"]) if path.exists() else 0
