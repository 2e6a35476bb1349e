"""Decode a bundle's videos into a frame stream: workers decode and resize, the parent watches them and writes.

A *try* is one attempt at one video in one worker. If decord raises, the same worker continues with PyAV. A worker that
hangs, needs too much memory or dies is killed and its try fails; if it was using decord, the video gets a second try
with PyAV. Frames pass through blocks of shared memory. A worker waits when all of its blocks are full, so memory stays
constant however slowly the stream is read.

`python -m i3d.decoding.decoder` is the worker.
"""

import contextlib
import logging
import mmap
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from i3d import frame_folders
from i3d.decoding import decord_reader
from i3d.decoding.constant_rate import picture_rate, resample
from i3d.decoding.damage import Faults, damage, shortfall
from i3d.decoding.frame_folder import FrameFolder
from i3d.decoding.held_file import HeldFile, UnreadableError
from i3d.decoding.jpeg import jpeg_files, read_jpeg
from i3d.decoding.pictures import Picture, kind
from i3d.decoding.resize import other_pillow, resize, why_pillow
from i3d.decoding.timestamps import PacketTimes, timed
from i3d.decoding.video_file import Video
from i3d.decoding.workers import SHARED_HEADER_BYTES, Channel, Crew, Worker, too_little_memory
from i3d.frame_stream import CHANGED, FRAME_BYTES, FRAME_SHAPE, StreamWriter
from i3d.settings import OLD_FFMPEG, JobSettings, NumericSettings
from i3d.snippets import SnippetRule

BLOCKS, BLOCK_FRAMES = 4, 16  # 16.7 MB per worker
BLOCKS_BYTES = BLOCKS * BLOCK_FRAMES * FRAME_BYTES
WORKER_MODULE = "i3d.decoding.decoder"
SENT = ("fps", "via_jpeg", "clip_length", "frequency", "frame_pooling")  # settings sent to workers

T = TypeVar("T")

log = logging.getLogger("decode")


@dataclass
class Try:
    """One attempt at one video. `reason` says why decord must not be used; None if it may be."""

    video: int
    name: str
    path: Path
    reason: str | None = None
    decoder: str = "pyav"  # in use
    started: float = field(default_factory=time.monotonic)
    begun: bool = False  # whether the stream has its BEGIN
    frames: int = 0  # written to the stream


def decode_videos(
    videos: Iterable[tuple[int, str, Path]],
    writer: StreamWriter,
    settings: NumericSettings,
    job: JobSettings,
    *,
    threads: int = 1,
    module: str = WORKER_MODULE,
) -> None:
    """Decode videos, given as (place in the bundle, name for the log, path), into the stream, which is not closed.

    Every video gets a BEGIN and an END, whatever it is. Up to `threads` videos are decoded at once; `module` is the
    module that workers run. Raises what writing to the stream raises.
    """
    waiting = deque(Try(place, name, path.absolute()) for place, name, path in videos)
    memory_mb, stall_seconds = job.decode_memory_mb, job.stall_seconds
    crew = Crew[Try](
        partial(Worker, module, memory_mb=memory_mb, stall_seconds=stall_seconds, shared_bytes=BLOCKS_BYTES)
    )
    sent = {"decoder": job.decoder, **{name: getattr(settings, name) for name in SENT}}
    _Run(waiting, crew, threads, writer, settings.decoding, sent).run()


@dataclass
class _Run:
    """Feeds up to `threads` workers from a queue of tries, and writes their frames to the stream."""

    waiting: deque[Try]
    crew: Crew[Try]
    threads: int
    writer: StreamWriter
    decoding: dict[str, Any]  # the settings that fix the frames, for BEGIN
    sent: dict[str, Any]  # settings for the workers
    slow: bool = False  # whether a worker has reported that it resizes with Pillow

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # no place for temporary files
                folder = tempfile.TemporaryDirectory(prefix="i3d-", ignore_cleanup_errors=True)
                self.sent["links"] = stack.enter_context(folder)
            crew = stack.enter_context(self.crew)
            while self.waiting or crew.busy:
                self._start_tries()
                for worker, attempt, event in crew.events():
                    if isinstance(event, str):
                        self._lose(attempt, event)
                    else:
                        self._handle(worker, attempt, event)

    def _start_tries(self) -> None:
        busy = self.crew.busy
        while self.waiting and len(busy) < self.threads:
            attempt = self.waiting.popleft()
            attempt.started = time.monotonic()
            self.crew.give(attempt, {"path": str(attempt.path), "reason": attempt.reason, **self.sent})
        for worker in busy:
            worker.allow_threads(self.threads // len(busy))

    def _handle(self, worker: Worker, attempt: Try, message: dict[str, Any]) -> None:
        match message:
            case {"pillow": reason}:
                if not self.slow:
                    log.warning("frames are resized by Pillow, several times slower than necessary: %s", reason)
                self.slow = True
            case {"decoder": decoder}:
                attempt.decoder = decoder
            case {"begin": info}:
                attempt.begun, attempt.frames = True, 0
                self.writer.begin(attempt.video, {**info, "decoding": self.decoding})
            case {"block": block, "frames": count}:
                self.writer.frames(attempt.video, shared_blocks(worker.shared)[block, :count])
                attempt.frames += count
                worker.send({"free": block})
            case {"end": result}:
                self.crew.done(worker)
                self._end(attempt, result)

    def _lose(self, attempt: Try, reason: str) -> None:
        if attempt.decoder == "decord":
            log.warning("%s: decord: %s; trying PyAV", attempt.name, reason)
            self.waiting.appendleft(Try(attempt.video, attempt.name, attempt.path, f"decord: {reason}"))
            return
        result = {"frames_decoded": attempt.frames, "status": "failed", "reason": reason, "damaged": None}
        self._end(attempt, {**result, "seconds": round(time.monotonic() - attempt.started, 3)})

    def _end(self, attempt: Try, result: dict[str, Any]) -> None:
        if not attempt.begun:
            unknown = dict.fromkeys(("frames_declared", "fps", "width", "height"))
            known = {"decoder": attempt.decoder, "decoder_reason": attempt.reason}
            self.writer.begin(attempt.video, {**unknown, **known, "decoding": self.decoding})
        self.writer.end(attempt.video, result)
        remarks = damage(result["reason"], result["damaged"])
        summary = f"{result['status']}, {attempt.decoder}, {result['frames_decoded']} frames, {result['seconds']:.2f} s"
        log.info("%s: %s%s", attempt.name, summary, f" ({remarks})" if remarks else "")


def shared_blocks(shared: mmap.mmap) -> np.ndarray:
    """View a worker's shared memory as frame blocks, uint8 (BLOCKS, BLOCK_FRAMES, 256, 340, 3)."""
    blocks = np.frombuffer(shared, np.uint8, BLOCKS_BYTES, SHARED_HEADER_BYTES)
    return blocks.reshape(BLOCKS, BLOCK_FRAMES, *FRAME_SHAPE)


class Outlet:
    """Resizes a worker's frames into shared blocks, in order, on as many threads as the parent allows."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._blocks = shared_blocks(channel.shared)
        self._free = deque(range(BLOCKS))
        self._block, self._count = -1, 0
        self._pending: deque[tuple[Callable[[], object], dict[str, int] | None]] = deque()
        self._pool = ThreadPoolExecutor()
        self.blocked_seconds = 0.0

    def put(self, frame: np.ndarray) -> None:
        """Add one frame, uint8 (h, w, 3); wait while the parent holds every block."""
        if not self._count:
            self._block = self._take()
        slot = self._blocks[self._block, self._count]
        self._count += 1
        full = self._message() if self._count == BLOCK_FRAMES else None
        helpers = self._channel.threads - 1  # this thread counts
        work = self._pool.submit(resize, frame, slot).result if helpers else partial(resize, frame, slot)
        self._pending.append((work, full))
        while len(self._pending) > helpers:
            self._finish_one()

    def flush(self) -> None:
        """Send all frames added so far."""
        while self._pending:
            self._finish_one()
        if self._count:
            self._channel.send(self._message())

    def give_back(self, block: int) -> None:
        """Reuse a block that the parent has copied."""
        self._free.append(block)

    def _message(self) -> dict[str, int]:
        message = {"block": self._block, "frames": self._count}
        self._count = 0
        return message

    def _finish_one(self) -> None:
        work, full = self._pending.popleft()
        work()
        if full:
            self._channel.send(full)

    def _take(self) -> int:
        while not self._free and self._pending:
            self._finish_one()
        began = time.monotonic()
        while not self._free:
            self.give_back(self._channel.receive()["free"])
        self.blocked_seconds += time.monotonic() - began
        return self._free.popleft()


class VideoDecoder:
    """Decodes one video in a worker: chooses the decoder, sends BEGIN and the frames, and reports the result."""

    def __init__(self, channel: Channel, outlet: Outlet, job: dict[str, Any]) -> None:
        self._channel = channel
        self._outlet = outlet
        self._path = Path(job["path"])
        self._links = Path(job["links"]) if job.get("links") else None
        self._fps = Fraction(str(job["fps"])) if job["fps"] else None
        self._rule = SnippetRule(job["clip_length"], job["frequency"], job["frame_pooling"] == "middle")
        self._via_jpeg: bool | str = job["via_jpeg"]
        self._decoder: str = job["decoder"]
        self._reason: str | None = job["reason"]
        self._frames = 0

    def run(self) -> dict[str, Any]:
        """Decode the video; return the result for its END message, whatever happens."""
        began = time.monotonic() + self._outlet.blocked_seconds
        status, reason = "ok", None
        source: HeldFile | FrameFolder | None = None
        facts: dict[str, Any] = {}
        try:
            if self._path.is_dir():
                source = FrameFolder(self._path)
                facts = self._decode_pictures(source)
            else:
                source = HeldFile(self._path, self._links)
                facts = self._decode(source)
        except UnreadableError as error:
            status, reason = "unreadable", str(error)
        except MemoryError:
            status, reason = "failed", too_little_memory(self._channel.memory_mb)
        except OSError as error:
            status, reason = "failed", error.strerror or type(error).__name__
        with contextlib.suppress(OSError):
            if source is not None and status != "failed":
                facts["digest"] = source.digest
                if source.was_changed:
                    status, reason = "failed", CHANGED
        self._outlet.flush()
        return {
            "frames_decoded": self._frames,
            "status": status,
            "reason": reason,
            "damaged": None,
            **facts,
            "seconds": round(time.monotonic() + self._outlet.blocked_seconds - began, 3),
        }

    def _decode(self, file: HeldFile) -> dict[str, Any]:
        """Decode with decord or PyAV; return the frames' part of END."""
        video = Video(file)
        if self._reason is None:
            self._reason = self._why_not_decord(video)
        if self._reason is None:
            self._reason = self._decode_with_decord(video)
            if self._reason is None:
                return {"frames_declared": video.declared, "damaged": video.left_out}
            video = Video(file)  # from its start
        damaged = self._decode_with_pyav(video)
        return {"frames_declared": video.declared, "damaged": damaged}

    def _why_not_decord(self, video: Video) -> str | None:
        if self._decoder == "auto":
            # From 160x120 to 1280x720 neither is more than a quarter faster, and PyAV's memory does not grow with the
            # video: `python -m bench --sections decode`.
            return "PyAV serves all files"
        if self._decoder == "pyav":
            return "asked for"
        if self._fps or self._via_jpeg:
            return "resampling needs each frame's timestamp"
        return decord_reader.distrust(video, self._channel.memory_mb)

    def _decode_with_decord(self, video: Video) -> str | None:
        """Send all frames; return None, or the reason why decord cannot be used.

        It cannot be used for damaged files, because FFmpeg's versions conceal damage differently.
        """
        if reason := decord_reader.distrust_pictures(video, self._channel.progress):
            return reason
        self._channel.send({"decoder": "decord"})
        try:
            with decord_reader.decoder_complaints() as complaints:
                self._send("decord", decord_reader.decord_frames(video.file), np.asarray, video.rate, video.declared)
        except decord_reader.DecordError as error:
            return f"decord: {error}"
        errors = f"{len(complaints)} errors reported" if complaints else None
        damaged = damage(errors, shortfall(self._frames, video.declared))
        return damaged and f"decord: {damaged}"

    def _decode_with_pyav(self, video: Video) -> str | None:
        """Send all frames; return what is damaged, or None."""
        self._channel.send({"decoder": "pyav"})
        faults = Faults()
        mend = PacketTimes(video).mend if self._fps or self._via_jpeg else None
        frames = self._ticking(video.decode(faults, mend))
        if self._via_jpeg:
            files = jpeg_files(video, frames, old=self._via_jpeg == OLD_FFMPEG)
            self._send("pyav", files, read_jpeg, picture_rate(video.stream), video.declared)
        else:
            picture = Picture()
            frames = picture.following(frames)
            if self._fps:
                frames = resample(timed(video, frames), self._fps, kind)
            self._send("pyav", frames, picture, video.rate, video.declared)
        if reason := video.why_no_video(self._frames):
            raise UnreadableError(reason)
        return damage(faults.words(video.declared, video.estimated), video.left_out)

    def _decode_pictures(self, folder: FrameFolder) -> dict[str, Any]:
        """Send a folder's pictures; return their part of END."""
        self._reason = "a folder of pictures"
        if self._fps or self._via_jpeg:
            self._reason += ", taken as they are: " + ("they have no times" if self._fps else "not through JPEG again")
        self._channel.send({"decoder": frame_folders.DECODER})
        self._send(frame_folders.DECODER, self._ticking(folder.frames()), np.asarray, None, len(folder))
        if not self._frames:
            raise UnreadableError(folder.why_no_frames)
        return {"damaged": folder.damaged}

    def _ticking(self, frames: Iterable[T]) -> Iterator[T]:
        for frame in frames:
            self._channel.progress()
            yield frame

    def _send(
        self,
        decoder: str,
        frames: Iterable[T],
        picture: Callable[[T], np.ndarray],
        rate: Fraction | None,
        declared: int | None,
    ) -> None:
        """Send the frames that snippets use, converted to RGB by `picture`; count all frames."""
        self._outlet.flush()
        self._frames = 0
        begun = False
        for frame in self._ticking(frames):
            if self._rule.is_used(self._frames):
                rgb = picture(frame)
                if not begun:
                    begun = True
                    info = {
                        "frames_declared": declared,
                        "fps": float(rate) if rate else None,
                        "width": rgb.shape[1],
                        "height": rgb.shape[0],
                        "decoder": decoder,
                        "decoder_reason": self._reason,
                        "resized_by": other_pillow(),
                    }
                    self._channel.send({"begin": info})
                self._outlet.put(rgb)
            self._frames += 1


def main() -> None:
    """Serve the parent until it exits."""
    channel = Channel(sys.argv[1:])
    outlet = Outlet(channel)
    if reason := why_pillow():
        channel.send({"pillow": reason})
    while True:
        message = channel.receive()
        if "free" in message:
            outlet.give_back(message["free"])
        else:
            channel.send({"end": VideoDecoder(channel, outlet, message).run()})


if __name__ == "__main__":
    main()
