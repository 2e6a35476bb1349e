"""The loop around the engine, from a frame stream to staged features.

One thread reads the stream into batches across videos, one keeps the device busy, and the main thread writes the
features, so that neither a slow pipe nor a slow disk makes the device wait. Memory does not grow with a video's length.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from i3d.digests import file_sha256, video_digest
from i3d.files import writing
from i3d.frame_stream import CHANGED, End, Frames, StreamError, read_stream
from i3d.network.engine import Engine, Pending
from i3d.network.feature_file import FeatureWriter, NotFiniteError
from i3d.records import journal
from i3d.records.bundles import BundleEntry
from i3d.records.record import FAILED, OK, SKIPPED, Status, VideoRecord
from i3d.settings import NumericSettings
from i3d.snippets import SnippetRule

BUFFERS = 4  # batches in memory: one being filled, two computed or waiting for it, one being written
RESTARTED = "restarted"  # the status of a try that ended with a new BEGIN


class Cutter:
    """Cuts one video's frames into snippets, buffering them only if a snippet spans several messages.

    Snippet i consists of the video's frames i*frequency to i*frequency + clip_length - 1. Frames between snippets are
    not in the stream; frames after the last whole snippet are dropped.
    """

    def __init__(self, clip_length: int, frequency: int) -> None:
        self.clip_length = clip_length
        self._shared = max(0, clip_length - frequency)  # frames that a snippet shares with the next
        self._frames: np.ndarray | None = None
        self._held = 0  # frames of the next snippet in `_frames`

    def fill(self, snippet: np.ndarray, message: Frames) -> bool:
        """Take frames from a message that has some; return whether they completed a snippet.

        A completed one is in `snippet`, uint8 (clip_length, 256, 340, 3); otherwise the message is used up.
        """
        if not self._shared and not self._held and message.count >= self.clip_length:
            message.take(snippet)
            return True
        if self._frames is None:
            self._frames = np.empty_like(snippet)
        taken = min(self.clip_length - self._held, message.count)
        message.take(self._frames[self._held : self._held + taken])
        self._held += taken
        if self._held < self.clip_length:
            return False
        snippet[:] = self._frames
        self._held = self._shared
        self._frames[: self._held] = self._frames[self.clip_length - self._held :].copy()
        return True


@dataclass
class Video:
    """One try at one video. Its writer belongs to the main thread and opens its file with the first features."""

    entry: BundleEntry
    info: dict[str, Any]
    cutter: Cutter
    writer: FeatureWriter
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0  # its share, by snippets, of the elapsed time
    frames: int = 0  # received
    broken: str | None = None  # why its features must not be written


@dataclass(frozen=True)
class Ended:
    """A video whose stream has ended with `result`; `video` is None if it never began."""

    video: Video | None
    entry: BundleEntry
    result: dict[str, Any]


@dataclass
class Batch:
    """Snippets of any videos, and the videos that end with them.

    `snippets` is uint8 (B, T, 256, 340, 3). The first len(owners) are filled; owners[i] is the video of snippet i.
    """

    snippets: Tensor
    owners: list[Video] = field(default_factory=list)
    endings: list[Ended] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.owners) == len(self.snippets)

    @property
    def free(self) -> np.ndarray:
        """The place of the next snippet."""
        return self.snippets[len(self.owners)].numpy()


@dataclass
class Extraction:
    """Extracts the features of one bundle's stream into the staging tree.

    `entries` are the bundle's videos, `settings` fix the numbers, and `provenance` holds the columns that all records
    share. Each record is appended to the file `written`, if given, as soon as its feature is staged. `snippets_done` is
    called after each batch with the number of snippets computed in it.
    """

    engine: Engine
    entries: list[BundleEntry]
    staging: Path
    settings: NumericSettings
    provenance: dict[str, Any]
    written: Path | None = None
    snippets_done: Callable[[int], None] = lambda count: None

    def __post_init__(self) -> None:
        self.rule = self.settings.rule
        self._batches: queue.Queue[Batch | BaseException | None] = queue.Queue()
        self._launched: queue.Queue[tuple[Batch, Pending | None] | BaseException | None] = queue.Queue()
        self._buffers: queue.Queue[Tensor] = queue.Queue()  # bounds the memory
        self._over = False
        self._landed = time.monotonic()  # when the last batch was computed

    def run(self, stream: BinaryIO) -> Iterator[VideoRecord]:
        """Read the stream to its end; yield each video's record once its feature is staged.

        Raises StreamError if the stream is damaged or cut off, after staging the videos that had ended.
        """
        for _ in range(BUFFERS):
            self._buffers.put(self.engine.buffer(self.engine.batch_size, self.rule.frames_used))
        threading.Thread(target=self._read, args=(stream,), name="stream-reader", daemon=True).start()
        threading.Thread(target=self._launch, name="launcher", daemon=True).start()
        try:
            while isinstance(item := self._launched.get(), tuple):
                yield from self._land(*item)
            if item is not None:
                raise item
        finally:
            self._over = True

    def _read(self, stream: BinaryIO) -> None:
        """Turn messages into batches; runs in its own thread and passes every error on."""
        videos: dict[int, Video] = {}
        try:
            batch = Batch(self._buffers.get())
            for message in read_stream(stream):
                entry = self._entry(message.video)
                if isinstance(message, Frames):
                    video = videos.get(message.video)
                    if video is None:
                        raise StreamError(f"damaged stream: frames of a video that has not begun ({entry.video})")
                    video.frames += message.count
                    while message.count and video.cutter.fill(batch.free, message):
                        batch.owners.append(video)
                        if batch.full:
                            self._batches.put(batch)
                            batch = Batch(self._buffers.get())
                    continue
                before = videos.pop(message.video, None)
                if isinstance(message, End):
                    self._check_count(before, entry, message.result)
                    batch.endings.append(Ended(before, entry, message.result))
                else:
                    self._check_decoding(entry, message.info)
                    if before is not None:
                        batch.endings.append(Ended(before, entry, {"status": RESTARTED}))
                    writer = FeatureWriter(self.staging / entry.feature, self.engine.crops, self.engine.dim)
                    videos[message.video] = Video(
                        entry, message.info, Cutter(self.rule.frames_used, self.rule.frequency), writer
                    )
                if not batch.owners:  # nothing to wait for
                    self._batches.put(batch)
                    batch = Batch(self._buffers.get())
            self._batches.put(batch)
            self._batches.put(None)
        except BaseException as error:
            self._batches.put(error)

    def _check_decoding(self, entry: BundleEntry, info: dict[str, Any]) -> None:
        """Raise StreamError for frames decoded with other settings than the features are recorded with."""
        actual, expected = info.get("decoding"), self.settings.decoding
        if actual != expected:
            raise StreamError(f"the frames of {entry.video} were decoded with {_words(actual)}, not {_words(expected)}")

    def _check_count(self, video: Video | None, entry: BundleEntry, result: dict[str, Any]) -> None:
        received, sent = video.frames if video else 0, self.rule.used(result["frames_decoded"])
        if result["status"] == OK and received != sent:
            raise StreamError(f"damaged stream: {received} of {sent} frames of {entry.video} arrived")

    def _entry(self, index: int) -> BundleEntry:
        if index >= len(self.entries):
            raise StreamError(f"damaged stream: it names video {index} of a bundle of {len(self.entries)}")
        return self.entries[index]

    def _launch(self) -> None:
        """Start computing one batch after another; runs in its own thread and passes every error on."""
        try:
            while isinstance(item := self._batches.get(), Batch) and not self._over:
                snippets = item.snippets[: len(item.owners)]
                self._launched.put((item, self.engine.launch(snippets) if item.owners else None))
            self._launched.put(None if isinstance(item, Batch) else item)
        except BaseException as error:
            self._launched.put(error)

    def _land(self, batch: Batch, pending: Pending | None) -> Iterator[VideoRecord]:
        """Write a computed batch's features; yield the records of the videos that end with it."""
        if pending is not None:
            computed = pending.collect()
            self._share_time(batch.owners)
            for video, features in zip(batch.owners, computed, strict=True):
                if video.broken is not None:
                    continue
                try:
                    with writing(video.writer.path):
                        video.writer.append(features)
                except NotFiniteError as error:
                    video.broken = f"{error}: broken weights, or an overflow in precision {self.settings.precision}"
        self._buffers.put(batch.snippets)
        self.snippets_done(len(batch.owners))
        for ending in batch.endings:
            if ending.result["status"] == RESTARTED:
                assert ending.video is not None
                ending.video.writer.discard()
            else:
                yield self._finish(ending)

    def _share_time(self, owners: list[Video]) -> None:
        """Divide the time since the last batch among this one's videos, so that all shares add up to the total."""
        now = time.monotonic()
        for video in owners:
            video.seconds += (now - self._landed) / len(owners)
        self._landed = now

    def _finish(self, ending: Ended) -> VideoRecord:
        """Stage or discard a video's feature, and return its record."""
        video, entry, result = ending.video, ending.entry, ending.result
        info = video.info if video else {}
        status, reason = _judge(result, self.rule)
        if status == OK and video is not None and video.broken:
            status, reason = FAILED, video.broken
        if entry.digest and (change := changed(entry, result.get("digest"))):
            status, reason = FAILED, change
        decoded = {name: value for name, value in (info | result).items() if name in VideoRecord.__struct_fields__}
        record = VideoRecord(
            **decoded
            | self.settings.columns
            | self.provenance
            | {
                "video": entry.video,
                "status": status,
                "reason": reason,
                "crops": self.engine.crops,
                "dim": self.engine.dim,
                "digest": entry.digest,
                "started": _iso(video.started) if video else None,
                "finished": _iso(datetime.now(UTC)),
            }
        )
        if video is not None:
            record.seconds = round(video.seconds, 3)
            self._stage(video.writer, record)
        if self.written is not None:
            journal.append(self.written, [record])
        return record

    def _stage(self, writer: FeatureWriter, record: VideoRecord) -> None:
        if record.status != OK:
            writer.discard()
            return
        with writing(writer.path):
            # With middle frames only, a last snippet that the video's end cuts off has been computed too.
            writer.close(self.rule.snippets(record.frames_decoded or 0))
        record.feature_file = str(writer.path.relative_to(self.staging))
        record.snippets = writer.snippets
        record.feature_size = writer.path.stat().st_size
        record.feature_sha256 = file_sha256(writer.path)


def _words(settings: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (settings or {}).items()) or "unknown settings"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _judge(result: dict[str, Any], rule: SnippetRule) -> tuple[Status, str | None]:
    """Interpret a video's END message: its status and, unless ok, the reason."""
    if result["status"] == "failed":
        return FAILED, result["reason"]
    if result["status"] == "unreadable":
        return SKIPPED, f"unreadable: {result['reason']}"
    frames = result["frames_decoded"]
    return (SKIPPED, rule.why_too_short(frames)) if rule.is_too_short(frames) else (OK, None)


def changed(entry: BundleEntry, decoded: str | None = None) -> str | None:
    """Say why a video is not the planned one; None if it is.

    `decoded` is the digest of the file that was decoded, if decoding got that far; otherwise the file now at the path
    is digested.
    """
    try:
        same = (decoded or video_digest(Path(entry.path))) == entry.digest
    except OSError as error:
        return f"the video can no longer be read ({error.strerror})"
    return None if same else CHANGED
