"""Find out what planning needs to know of a video, chiefly whether it has enough frames.

The header is enough, unless it states no count or one near the clip length: then the first frames are decoded. PyAV
does both (decord would read every file to its end), in workers that a hostile file may kill without harm.
`python -m i3d.decoding.probe` is the worker.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from i3d.decoding.damage import Faults, damage
from i3d.decoding.file_kinds import MP4_FORMAT, mp4_boxes
from i3d.decoding.held_file import UnreadableError
from i3d.decoding.workers import Channel, ask_each
from i3d.settings import OLD_FFMPEG

if TYPE_CHECKING:
    from i3d.decoding.video_file import Video

WORKER_MODULE = "i3d.decoding.probe"
NEAR = 4  # counts up to this many clip lengths are made exact
SMALL_BYTES = 2 << 20  # files up to this size are read completely if their header states no count
SHORT_OF_DECLARED = 0.9  # variable rates explain smaller differences
TIMEOUT_SECONDS = 20.0
MEMORY_MB = 1024


@dataclass(frozen=True)
class Probe:
    """What is known of a video; None for what is not."""

    frames: int | None = None
    exact: bool = False  # whether `frames` is more than an estimate
    fps: float | None = None
    width: int | None = None  # pixels as stored
    height: int | None = None
    reason: str | None = None  # why no frame can be decoded
    codec: str | None = None  # FFmpeg's name
    declared: int | None = None  # frames according to the header
    damaged: str | None = None  # damage found while decoding to count frames


def probe(path: Path, *, clip_length: int, fps: float | None = None, via_jpeg: bool | str = False) -> Probe:
    """Find a video's frame count from its header, or from its first frames if it is close or unknown.

    Counts frames after resampling to `fps`, or at the constant rate of `via_jpeg`, if set. Returns an empty Probe if
    the file cannot be opened at present (permission, I/O): decoding will say why. Crashes and endless loops in the
    decoder are not caught here, but in `probe_many`.
    """
    limit = NEAR * clip_length
    try:
        if path.is_dir():
            return _probe_pictures(path, limit)
        return _probe_file(path, Fraction(str(fps)) if fps else None, via_jpeg, limit)
    except UnreadableError as error:
        return Probe(0, exact=True, reason=str(error))
    except (OSError, MemoryError):
        return Probe()


def _probe_file(path: Path, fps: Fraction | None, via_jpeg: bool | str, limit: int) -> Probe:
    from i3d.decoding.constant_rate import picture_rate  # imports av, which planning does not need
    from i3d.decoding.video_file import Video

    video, faults = Video(path), Faults()
    stream, rate = video.stream, picture_rate(video.stream) if via_jpeg else video.rate
    seen = Probe(
        fps=float(rate) if rate else None,
        width=stream.width,
        height=stream.height,
        codec=stream.codec_context.name,
        declared=video.declared,
    )
    estimate = _estimate(video, rate if via_jpeg else fps)
    cut = video.format == MP4_FORMAT and mp4_boxes(video.file)[1]
    if estimate is not None and estimate > limit and not cut:
        return replace(seen, frames=estimate)
    video = Video(video.file)  # from its start
    decoded = _count(video, faults, fps, via_jpeg, limit + 1)
    if decoded > limit:
        return replace(seen, frames=max(decoded, estimate or 0))
    seen = replace(seen, frames=decoded, exact=True, declared=video.declared)
    if reason := video.why_no_video(decoded):
        return replace(seen, reason=reason)
    return replace(seen, damaged=damage(faults.words(video.declared, video.estimated), video.left_out))


def _probe_pictures(path: Path, limit: int) -> Probe:
    """Probe a folder of pictures; its count is exact if all are decoded."""
    from i3d.decoding.frame_folder import FrameFolder

    folder = FrameFolder(path)
    frames = folder.frames()
    first = next(frames, None)
    if first is None:
        raise UnreadableError(folder.why_no_frames)
    height, width, _ = first.shape
    seen = Probe(len(folder), width=width, height=height, codec=folder.codec, declared=len(folder))
    if len(folder) > limit:
        return seen
    return replace(seen, frames=1 + sum(1 for _ in frames), exact=True, damaged=folder.damaged)


def probe_many(
    paths: Iterable[Path],
    *,
    clip_length: int,
    fps: float | None = None,
    via_jpeg: bool | str = False,
    processes: int | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    module: str = WORKER_MODULE,
) -> Iterator[tuple[Path, Probe]]:
    """Probe videos in `processes` workers (None: one per core, four at most); yield results as they arrive.

    A video gets an empty Probe if its worker dies or takes longer than `timeout_seconds`.
    """
    options = {"clip_length": clip_length, "fps": fps, "via_jpeg": via_jpeg}
    jobs = ((path, {"path": os.fspath(path.absolute()), **options}) for path in paths)
    processes = processes or min(4, os.cpu_count() or 1)
    answers = ask_each(module, jobs, processes=processes, memory_mb=MEMORY_MB, stall_seconds=timeout_seconds)
    for path, answer in answers:
        yield path, Probe(**answer or {})


def _estimate(video: "Video", fps: Fraction | None) -> int | None:
    """Estimate the number of frames without reading much; None if that is impossible. Once per Video."""
    by_time = video.estimated
    frames: int | None
    if video.declared is None and video.file.size <= SMALL_BYTES:
        frames = sum(1 for _ in video.packets())
    elif video.declared is None:
        frames = by_time
    elif by_time is not None and by_time < SHORT_OF_DECLARED * video.declared:
        frames = by_time  # unlike the count, the duration excludes what an edit list hides
    else:
        frames = video.declared
    if fps is None:
        return frames
    if video.seconds:
        return round(video.seconds * fps)
    return round(frames * fps / video.rate) if frames and video.rate else None


def _count(video: "Video", faults: Faults, fps: Fraction | None, via_jpeg: bool | str, limit: int) -> int:
    """Count frames up to a limit by decoding; note damage in `faults`."""
    from i3d.decoding.constant_rate import at_constant_rate, resample
    from i3d.decoding.pictures import kind
    from i3d.decoding.timestamps import PacketTimes, timed

    frames = video.decode(faults, PacketTimes(video).mend if fps or via_jpeg else None)
    if fps:
        frames = resample(timed(video, frames), fps, kind)
    pictures: Iterator[object] = frames
    if via_jpeg:
        pictures = at_constant_rate(video, frames, old=via_jpeg == OLD_FFMPEG)
    return sum(1 for _ in islice(pictures, limit))


def main() -> None:
    """Serve the parent until it exits."""
    channel = Channel(sys.argv[1:])
    while True:
        job = channel.receive()
        channel.send(asdict(probe(Path(job.pop("path")), **job)))


if __name__ == "__main__":
    main()
