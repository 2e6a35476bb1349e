"""When the frames of a recording are shown: for annotations in seconds, and for looking up a snippet."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.records.record import Row
from i3d.snippets import SnippetRule


@dataclass(frozen=True)
class FrameTimes:
    """When each frame starts and stops being shown: float64 (frames,) each, in seconds from the start.

    `recorded`: the times come from the recording's own timestamps, not from its rate.
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
    """The times of the frames from which a video's snippets were cut.

    Raises UserError when neither timestamps nor a rate are known, as for a folder of pictures.
    """
    frames = row.frames_decoded or 0
    if row.constant_fps is None and (recorded := _recorded(videos / row.video, frames)) is not None:
        return recorded
    rate = row.frame_rate
    if not rate:
        raise UserError(
            f"{row.video}: its frame rate is unknown, and its recording is not under {videos}, so its seconds cannot "
            "be mapped to frames; annotate it in frames"
        )
    return FrameTimes(np.arange(frames) / rate, np.arange(1, frames + 1) / rate, recorded=row.constant_fps is not None)


def snippet_table(rows: Iterable[Row], videos: Path, rule: SnippetRule) -> list[list[str]]:
    """Frames and seconds of each snippet, with a header; `by`: the source of the times, `timestamps` or `rate`.

    Frames are counted from 0, and the last one is part of the snippet; seconds run until the next frame is shown, and
    are blank where neither timestamps nor a rate are known.
    """
    table = [["video", "snippet", "first_frame", "last_frame", "start_seconds", "end_seconds", "by"]]
    for row in rows:
        try:
            times = frame_times(row, videos)
        except UserError:
            times = None
        for snippet in range(row.snippets or 0):
            frames = rule.frames_of(snippet)
            seconds = ["", "", ""]
            if times is not None and frames[-1] < len(times.starts):
                bounds = (times.starts[frames[0]], times.ends[frames[-1]])
                seconds = [*(f"{second:.6f}" for second in bounds), "timestamps" if times.recorded else "rate"]
            table.append([row.video, str(snippet), str(frames[0]), str(frames[-1]), *seconds])
    return table


def _recorded(path: Path, frames: int) -> FrameTimes | None:
    """The times by the packets' timestamps; None unless these say when each of the `frames` is shown.

    They do not in a recording whose clock jumps back, or in a damaged one.
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
