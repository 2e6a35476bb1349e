"""When the frames of a recording are shown: for annotations in seconds, and for people who look a snippet up."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.records.record import Row

if TYPE_CHECKING:
    from av import VideoFrame


@dataclass(frozen=True)
class FrameTimes:
    """Float64 (frames,) each: from when and until when each frame is shown, in seconds from the start.

    `recorded`: by the recording's own timestamps, not by its rate.
    """

    starts: np.ndarray
    ends: np.ndarray
    recorded: bool

    def event(self, span: Span) -> Event:
        """The frames that are shown at any time of a span."""
        first = int(np.searchsorted(self.ends, span.start, side="right"))
        last = int(np.searchsorted(self.starts, span.end, side="left")) - 1
        return Event(first, max(first, last), span.name)


def frame_times(row: Row, videos: Path) -> FrameTimes:
    """The times of a video's frames as they were cut into snippets.

    Raises UserError when neither timestamps nor a rate are known, as for a folder of pictures.
    """
    frames = row.frames_decoded or 0
    if row.resample_fps is None and (recorded := _recorded(videos / row.video, frames)) is not None:
        return recorded
    rate = row.resample_fps or row.fps
    if not rate:
        raise UserError(
            f"{row.video}: its frame rate is unknown, and its recording is not under {videos}, so its seconds cannot "
            "be mapped to frames; annotate it in frames"
        )
    return FrameTimes(np.arange(frames) / rate, np.arange(1, frames + 1) / rate, recorded=row.resample_fps is not None)


def _recorded(path: Path, frames: int) -> FrameTimes | None:
    """By the timestamps of the packets or, where there are more or fewer of these than frames, of decoded frames."""
    if not path.is_file():
        return None
    from i3d.decoding.damage import Faults  # with FFmpeg, which most exports do without
    from i3d.decoding.video_file import UnreadableError, Video

    try:
        video = Video(path)
        packets = [packet for packet in video.packets() if not packet.is_discard]
        spans: list[tuple[float, float]] = []
        if all(packet.pts is not None for packet in packets):
            packets.sort(key=lambda packet: packet.pts or 0)
            # What frames say of their times, their packets say, too.
            spans = [(float(start), float(end)) for start, end, _ in video.timed(cast("list[VideoFrame]", packets))]
        if len(spans) != frames:
            video = Video(path)
            spans = [(float(start), float(end)) for start, end, _ in video.timed(video.decode(Faults()))]
    except (UnreadableError, OSError):
        return None
    if len(spans) != frames or not spans:
        return None
    starts, ends = np.array(spans).T
    # Each frame is shown until the next one is, whatever its own duration says.
    return FrameTimes(starts, np.append(np.maximum(starts[1:], starts[:-1]), ends[-1]), recorded=True)
