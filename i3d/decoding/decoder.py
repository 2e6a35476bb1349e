"""From a bundle's videos to a frame stream: workers decode and resize, the parent watches them and writes.

A *try* is one attempt at one video in one worker. When decord raises, the worker itself goes on with PyAV. One that
hangs, needs too much memory or dies is killed and costs its video that try; if decord was at work, PyAV gets a second
one. Frames travel through blocks of shared memory: a worker waits when all of its blocks are full, so memory stays flat
however slow the reader of the stream is.

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

from i3d.decoding import decord_reader
from i3d.decoding.constant_rate import picture_rate
from i3d.decoding.damage import Faults, damage, shortfall
from i3d.decoding.frame_folder import FrameFolder
from i3d.decoding.held_file import HeldFile, UnreadableError
from i3d.decoding.jpeg import jpeg_files, read_jpeg
from i3d.decoding.pictures import Picture, kind
from i3d.decoding.resampling import resample
from i3d.decoding.resize import other_pillow, resize, why_pillow
from i3d.decoding.timestamps import PacketTimes, timed
from i3d.decoding.video_file import Video
from i3d.decoding.workers import SHARED_HEADER_BYTES, Channel, Crew, Worker
from i3d.frame_stream import CHANGED, FRAME_BYTES, FRAME_SHAPE, StreamWriter
from i3d.settings import OLD_FFMPEG, JobSettings, NumericSettings
from i3d.snippets import SnippetRule

BLOCKS, BLOCK_FRAMES = 4, 16  # 16.7 MB per worker
BLOCKS_BYTES = BLOCKS * BLOCK_FRAMES * FRAME_BYTES
WORKER_MODULE = "i3d.decoding.decoder"
SENT = ("fps", "via_jpeg", "clip_length", "frequency", "frame_pooling")  # settings that a worker needs

T = TypeVar("T")

log = logging.getLogger("decode")


@dataclass
class Try:
    """One attempt at one video; `reason` says why decord must not be used, None if it may."""

    video: int
    name: str
    path: Path
    reason: str | None = None
    decoder: str = "pyav"  # what is at work
    began: float = field(default_factory=time.monotonic)
    begun: bool = False
    frames: int = 0


def decode_videos(
    videos: Iterable[tuple[int, str, Path]],
    writer: StreamWriter,
    settings: NumericSettings,
    job: JobSettings,
    *,
    threads: int = 1,
    module: str = WORKER_MODULE,
) -> None:
    """Decode videos, given as (place in the bundle, name for the log, path), into the stream; does not close it.

    Every video gets a BEGIN and an END, whatever it is. `threads` is how many videos are decoded at once, `module` is
    the worker's. Raises what writing raises.
    """
    waiting = deque(Try(place, name, path.absolute()) for place, name, path in videos)
    _Run(waiting, writer, settings, job, threads, module).run()


class _Run:
    """Feeds a crew of as many workers as threads from a queue of tries, and writes what they deliver."""

    def __init__(
        self,
        waiting: deque[Try],
        writer: StreamWriter,
        settings: NumericSettings,
        job: JobSettings,
        threads: int,
        module: str,
    ) -> None:
        self._waiting = waiting
        self._writer = writer
        self._settings = settings
        self._sent = {"decoder": job.decoder, **{name: getattr(settings, name) for name in SENT}}
        self._threads = threads
        self._slow = False  # whether a worker has said that it resizes with Pillow
        self._crew: Crew[Try] = Crew(
            lambda: Worker(
                module,
                memory_mb=job.decode_memory_mb,
                stall_seconds=job.stall_seconds,
                shared_bytes=BLOCKS_BYTES,
            )
        )

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # no place for temporary files
                folder = tempfile.TemporaryDirectory(prefix="i3d-", ignore_cleanup_errors=True)
                self._sent["links"] = stack.enter_context(folder)
            crew = stack.enter_context(self._crew)
            while self._waiting or crew.busy:
                self._start_tries()
                for worker, attempt, event in crew.events():
                    if isinstance(event, str):
                        self._lost(attempt, event)
                    else:
                        self._handle(worker, attempt, event)

    def _start_tries(self) -> None:
        crew, threads = self._crew, self._threads
        while self._waiting and len(crew.busy) < threads:
            attempt = self._waiting.popleft()
            attempt.began = time.monotonic()
            crew.give(attempt, {"path": str(attempt.path), "reason": attempt.reason, **self._sent})
        for worker in crew.busy:
            worker.allow_threads(threads // len(crew.busy))

    def _handle(self, worker: Worker, attempt: Try, message: dict[str, Any]) -> None:
        match message:
            case {"pillow": reason}:
                if not self._slow:
                    log.warning("frames are resized by Pillow, several times slower than need be: %s", reason)
                self._slow = True
            case {"decoder": decoder}:
                attempt.decoder = decoder
            case {"begin": info}:
                attempt.begun, attempt.frames = True, 0
                self._writer.begin(attempt.video, {**info, "decoding": self._settings.decoding})
            case {"block": block, "frames": count}:
                self._writer.frames(attempt.video, shared_blocks(worker.shared)[block, :count])
                attempt.frames += count
                worker.send({"free": block})
            case {"end": result}:
                self._crew.done(worker)
                self._end(attempt, result)

    def _lost(self, attempt: Try, reason: str) -> None:
        if attempt.decoder == "decord":
            log.warning("%s: decord: %s; trying PyAV", attempt.name, reason)
            self._waiting.appendleft(Try(attempt.video, attempt.name, attempt.path, f"decord: {reason}"))
            return
        seconds = round(time.monotonic() - attempt.began, 3)
        result = {"frames_decoded": attempt.frames, "status": "failed", "reason": reason, "damaged": None}
        self._end(attempt, {**result, "seconds": seconds})

    def _end(self, attempt: Try, result: dict[str, Any]) -> None:
        if not attempt.begun:
            nothing = dict.fromkeys(("frames_declared", "fps", "width", "height"))
            known = {"decoder": attempt.decoder, "decoder_reason": attempt.reason}
            self._writer.begin(attempt.video, {**nothing, **known, "decoding": self._settings.decoding})
        self._writer.end(attempt.video, result)
        remarks = "; ".join(filter(None, (result["reason"], result["damaged"])))
        log.info(
            "%s: %s, %s, %d frames, %.2f s%s",
            attempt.name,
            result["status"],
            attempt.decoder,
            result["frames_decoded"],
            result["seconds"],
            f" ({remarks})" if remarks else "",
        )


def shared_blocks(shared: mmap.mmap) -> np.ndarray:
    """The frame blocks in a worker's shared memory, uint8 (BLOCKS, BLOCK_FRAMES, 256, 340, 3)."""
    blocks = np.frombuffer(shared, np.uint8, BLOCKS_BYTES, SHARED_HEADER_BYTES)
    return blocks.reshape(BLOCKS, BLOCK_FRAMES, *FRAME_SHAPE)


class Outlet:
    """The worker's way out: resizes frames into shared blocks, in order, on as many threads as allowed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._blocks = shared_blocks(channel.shared)
        self._free = deque(range(BLOCKS))
        self._block, self._count = -1, 0
        self._pending: deque[tuple[Callable[[], object], dict[str, int] | None]] = deque()
        self._pool = ThreadPoolExecutor()
        self.blocked_seconds = 0.0

    def put(self, frame: np.ndarray) -> None:
        """Take one frame, uint8 (h, w, 3); waits while the parent holds every block."""
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
        """Hand over all that was put so far."""
        while self._pending:
            self._finish_one()
        if self._count:
            self._channel.send(self._message())

    def give_back(self, block: int) -> None:
        """The parent has copied this block."""
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
    """The worker's work on one video: chooses the reader, sends BEGIN and frames, and says how it ended."""

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
        """Decode the video; returns the END message's result, whatever happens to the video."""
        began = time.monotonic() + self._outlet.blocked_seconds
        status, reason = "ok", None
        source: HeldFile | FrameFolder | None = None
        found: dict[str, Any] = {}
        try:
            if self._path.is_dir():
                source = FrameFolder(self._path)
                found = self._decode_pictures(source)
            else:
                source = HeldFile(self._path, self._links)
                found = self._decode(source)
        except UnreadableError as error:
            status, reason = "unreadable", str(error)
        except MemoryError:
            status, reason = "failed", f"needs more than {self._channel.memory_mb} MB of memory"
        except OSError as error:
            status, reason = "failed", error.strerror or type(error).__name__
        with contextlib.suppress(OSError):
            if source is not None and status != "failed":
                found["digest"] = source.digest
                if source.was_changed:
                    status, reason = "failed", CHANGED
        self._outlet.flush()
        return {
            "frames_decoded": self._frames,
            "status": status,
            "reason": reason,
            "damaged": None,
            **found,
            "seconds": round(time.monotonic() + self._outlet.blocked_seconds - began, 3),
        }

    def _decode(self, file: HeldFile) -> dict[str, Any]:
        """Decode with decord or PyAV; returns what END says of the frames."""
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
            # At 160x120 to 1280x720 the two are within a quarter of each other, either way, and PyAV needs no more
            # memory for a longer video: `python -m bench --sections decode`.
            return "PyAV serves all files"
        if self._decoder == "pyav":
            return "asked for"
        if self._fps or self._via_jpeg:
            return "resampling needs each frame's timestamp"
        return decord_reader.distrust(video, self._channel.memory_mb)

    def _decode_with_decord(self, video: Video) -> str | None:
        """Returns why that is of no use, None once all frames are sent.

        Anything damaged is no use: how it is concealed differs between FFmpeg's versions.
        """
        if reason := decord_reader.distrust_pictures(video, self._channel.progress):
            return reason
        self._channel.send({"decoder": "decord"})
        try:
            with decord_reader.decoder_complaints() as complaints:
                self._send("decord", decord_reader.decord_frames(video.file), np.asarray, video.rate, video.declared)
        except decord_reader.DecordError as error:
            return f"decord: {error}"
        found = damage(
            f"{len(complaints)} errors reported" if complaints else None, shortfall(self._frames, video.declared)
        )
        return found and f"decord: {found}"

    def _decode_with_pyav(self, video: Video) -> str | None:
        """Returns what is damaged, None if nothing is."""
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
        return damage(faults.words(video.declared), video.left_out)

    def _decode_pictures(self, folder: FrameFolder) -> dict[str, Any]:
        """Read a folder of pictures; returns what END says of them."""
        self._reason = "a folder of pictures"
        if self._fps or self._via_jpeg:
            self._reason += ", taken as they are: " + ("they have no times" if self._fps else "not through JPEG again")
        self._channel.send({"decoder": "pillow"})
        self._send("pillow", self._ticking(folder.frames()), np.asarray, None, len(folder))
        if not self._frames:
            raise UnreadableError(f"none of its {len(folder)} pictures can be read")
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
        """Put out, as RGB by `picture`, the frames that snippets use; count all."""
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
    """Serve the parent until it is gone."""
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
