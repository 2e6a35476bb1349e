"""The record of what became of each video.

Extract writes a record, a JSON object, beside each staged feature as soon as the video is done, and gathers a
bundle's records into `outcomes/{bundle}.jsonl` at its end. Those files are the lasting account: a feature is trusted
only with a record that fits it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d.digests import file_sha256, video_digest
from i3d.errors import UserError

Record = dict[str, Any]
OK, SKIPPED, FAILED = "ok", "skipped", "failed"


@dataclass(frozen=True)
class Work:
    """The workflow's own folder inside the features tree, on the same file system, so that moving is renaming."""

    root: Path

    @classmethod
    def beside(cls, features: str | Path) -> "Work":
        """The work folder of a features tree."""
        return cls(Path(features) / ".i3d")

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.json"

    @property
    def checksums(self) -> Path:
        return self.root / "checksums.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def plans(self) -> Path:
        return self.root / "plans"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def outcomes(self) -> Path:
        return self.root / "outcomes"


@dataclass(frozen=True)
class Staged:
    """Where one video's results wait until the feature rule moves them."""

    feature: Path

    @property
    def record(self) -> Path:
        return self.feature.with_name(self.feature.name + ".json")

    @property
    def reason(self) -> Path:
        return self.feature.with_name(self.feature.name + ".reason")


def too_short(frames: int, clip_length: int) -> str:
    """Why a short video is skipped."""
    return f"too short: {frames} frames, a snippet needs more than {clip_length}"


def unreadable(reason: str) -> str:
    """Why a video that no decoder can read is skipped."""
    return f"unreadable: {reason}"


def changed(entry: dict[str, Any]) -> str | None:
    """Why a video is no longer the one that was planned, None if it is; `entry` is its entry in the bundle file."""
    try:
        same = video_digest(Path(entry["path"])) == entry["digest"]
    except OSError as error:
        return f"the video can no longer be read ({error.strerror})"
    return None if same else "the video was changed during the run; the next run takes it as it is then"


def read_staged(staging: Path, entry: dict[str, Any], fingerprint: str) -> Record | None:
    """What the staging tree says of a video, whose entry in the bundle file is `entry`; None if nothing that holds."""
    place = Staged(staging / entry["feature"])
    try:
        record = json.loads(place.record.read_text())
        fits = fits_video(record, entry["digest"], fingerprint)
    except (OSError, ValueError, AttributeError):
        return None
    return record if fits and (record.get("status") != OK or feature_is(record, place.feature)) else None


def staged(staging: Path, entry: dict[str, Any], fingerprint: str) -> Record | None:
    """The record of a video of a bundle that is already done, or None.

    Only success counts: what failed is tried again.
    """
    record = read_staged(staging, entry, fingerprint)
    return record if record is not None and record["status"] == OK else None


def fits_video(record: Record, digest: str, fingerprint: str) -> bool:
    """Whether the record is of a video with this content under settings with this fingerprint."""
    return record.get("digest") == digest and record.get("fingerprint") == fingerprint


class Checksums:
    """SHA-256 of features, remembered by size and time of writing.

    Snakemake touches what a job has made, so the time in a record does not fit once a feature is in place. Without this
    memory each plan would read all features again, which can be terabytes.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        try:
            known = json.loads(work.checksums.read_text())
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}
        self._changed = False

    def of(self, feature: Path) -> str:
        """SHA-256 of a feature under the features tree."""
        name = str(feature.relative_to(self._work.root.parent))
        stat = feature.stat()
        key = [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(name)
        if not isinstance(known, list) or known[:-1] != key:
            known = self._known[name] = [*key, file_sha256(feature)]
            self._changed = True
        return known[2]

    def save(self) -> None:
        """Write down what is new."""
        if self._changed:
            write_atomically(self._work.checksums, json.dumps(self._known))


def feature_is(record: Record, feature: Path, sha256: Callable[[Path], str] = file_sha256) -> bool:
    """Whether the file is the one of the record: same size and time of writing, or else the same content."""
    try:
        stat = feature.stat()
        return stat.st_size == record.get("feature_size") and (
            stat.st_mtime_ns == record.get("feature_mtime_ns") or sha256(feature) == record.get("feature_sha256")
        )
    except OSError:
        return False


def stage(place: Staged, record: Record) -> None:
    """Write the record of a video that is done; its feature, if any, is in place already."""
    if record["status"] == OK:
        stat = place.feature.stat()
        record |= {
            "feature_size": stat.st_size,
            "feature_mtime_ns": stat.st_mtime_ns,
            "feature_sha256": file_sha256(place.feature),
        }
        place.reason.unlink(missing_ok=True)
    else:
        place.feature.unlink(missing_ok=True)
        write_atomically(place.reason, f"{record['video']}: {record['status']}: {record['reason']}\n")
    write_atomically(place.record, json.dumps(record))


def write_outcomes(path: Path, records: Iterable[Record]) -> None:
    """Write a bundle's records, one JSON object a line."""
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in records))


def read_outcomes(folder: Path) -> dict[str, Record]:
    """The newest record of each video, by its path under the videos tree.

    Lines that are no records, as a crash of the machine can leave them, are passed over.
    """
    newest: dict[str, Record] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                record = json.loads(line)
                video, finished = record["video"], record["finished"]
            except (ValueError, TypeError, KeyError):
                continue
            if video not in newest or finished >= newest[video]["finished"]:
                newest[video] = record
    return newest


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that readers see the old content or the new, never a part.

    Raises UserError if that cannot be done.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file, or in a folder, into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; mend that and run snakemake again, it goes on from there"
        ) from None
