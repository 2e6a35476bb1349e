"""When the frames of a recording are shown: for annotations in seconds, and for people who look a snippet up."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.records.record import Row


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
    """By the timestamps of the packets; None where these do not say when each of so many frames is shown.

    So it is for a recording whose clock jumps back, and for a damaged one.
    """
    if not path.is_file():
        return None
    import av  # FFmpeg, which most exports do without

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.best("video")
            if stream is None or not stream.time_base:
                return None
            packets = [each for each in container.demux(stream) if each.size and not each.is_discard]
            base, origin = float(stream.time_base), (container.start_time or 0) / av.time_base
    except (av.FFmpegError, ValueError, IndexError):
        return None
    coded = [packet.dts for packet in packets if packet.dts is not None]
    shown = sorted(packet.pts for packet in packets if packet.pts is not None)
    if len(shown) != frames or not shown or any(later < earlier for earlier, later in pairwise(coded)):
        return None
    starts = np.array(shown) * base - origin
    last = starts[-1] + (packets[-1].duration or 0) * base
    return FrameTimes(starts, np.append(starts[1:], last), recorded=True)
