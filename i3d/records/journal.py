"""Journals: the records of finished videos, one JSON line each, forced to disk as soon as a video is done.

Each attempt at a bundle has its own journal. Journals are only appended to; a line damaged by a crash of the machine is
ignored, without harm to the others.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from i3d.digests import file_sha256
from i3d.errors import UserError, warn_once
from i3d.files import read_file, writing
from i3d.records.record import OK, VideoRecord
from i3d.records.work_folder import WorkFolder

_decoder = msgspec.json.Decoder(VideoRecord)
_encoder = msgspec.json.Encoder()


def append(path: Path, records: Iterable[VideoRecord]) -> None:
    """Append records to a journal and force them to disk. Raises UserError when it cannot be written."""
    lines = b"".join(_encoder.encode(record) + b"\n" for record in records)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "wb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash cut the last line off
                    file.write(b"\n")
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def read(path: Path) -> Iterator[VideoRecord]:
    """Yield the records of a journal in the order of writing; none if there is no such file.

    Records whose paths lead out of the trees are left out with a warning. Raises UserError if the journal exists but
    cannot be read: its videos would be processed again.
    """
    try:
        lines = read_file(path).splitlines() if path.is_file() else []
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}), and says which videos are done; let its owner run "
            f"`chmod -R g+rwX {path.parents[1]}`"
        ) from None
    for line in lines:
        try:
            record = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if record.is_sound:
            yield record
        else:
            warn_once(f"{path}: a damaged record is ignored, its paths do not fit: {record.video[:200]!a}")


def read_all(work: WorkFolder) -> dict[str, list[VideoRecord]]:
    """Return all records of each video, by its path under the videos tree, the newest last."""
    records: dict[str, list[VideoRecord]] = {}
    for path in sorted(work.journals.glob("*.jsonl")):
        for record in read(path):
            records.setdefault(record.video, []).append(record)
    for of_video in records.values():
        if len(of_video) > 1:
            of_video.sort(key=lambda record: record.finished or "")
    return records


def finished(journal: Path, staging: Path, fingerprint: str) -> dict[str, VideoRecord]:
    """Return the videos of a bundle that an earlier attempt finished with success: their features are staged, whole."""
    return {
        record.video: record
        for record in read(journal)
        if record.fingerprint == fingerprint and record.status == OK and is_of(record, staging / record.feature_file)
    }


def is_of(record: VideoRecord, feature: Path, sha256: Callable[[Path], str] = file_sha256) -> bool:
    """Whether a feature file is the one that the record describes, by size and content."""
    try:
        return feature.stat().st_size == record.feature_size and sha256(feature) == record.feature_sha256
    except OSError:
        return False
