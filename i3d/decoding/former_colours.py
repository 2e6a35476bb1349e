"""Which videos the first release (0.1.0) showed in other colours, so that their features are due again.

That release converted PyAV's frames to RGB as if all were BT.601 and of the range that their pixel format implies, and
trusted decord with some pixel formats for which decord's conversion is not ffmpeg's. `python -m
i3d.decoding.former_colours` is the worker that planning asks.
"""

import sys
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from i3d.decoding.damage import Faults
from i3d.decoding.pictures import Picture, display_matrix, turning_filters
from i3d.decoding.video_file import UnreadableError, Video
from i3d.decoding.workers import Channel

# What its decord mode let through although decord 0.6.0 converts it otherwise.
WRONG_WITH_DECORD = {"yuv410p", "yuv411p", "yuvj411p", "yuv440p", "yuvj440p", "nv12", "nv21"}
# Where turning first and converting afterwards, as ffmpeg does, gives what the other order gave.
TURNED_ALIKE = {"yuv420p", "yuvj420p", "yuv444p", "yuvj444p", "gray"}
SIZE = "s=96x64"  # of the picture that is tried


def reads_otherwise_now(path: Path, decoder: str) -> bool:
    """Whether 0.1.0, with this decoder ("decord" or "pyav", as the record says), gave the video other colours.

    Decodes one frame, so colours that change on the way are not seen, nor is a picture size that does. Says no of
    a file that cannot be decoded. Raises OSError for what cannot be read just now.
    """
    try:
        frame = next(Video(path).decode(Faults()), None)
        if frame is None:
            return False
        turning = turning_filters(display_matrix(frame))
        if turning and (frame.format.name not in TURNED_ALIKE or any(name == "rotate" for name, _ in turning)):
            return True
        if decoder == "decord":
            return frame.format.name in WRONG_WITH_DECORD
        tried = _colourful(frame)
        now = Picture()(tried)  # refuses what the old way, which checks nothing, would crash on
        former = VideoReformatter().reformat(tried, format="rgb24", interpolation="BICUBIC").to_ndarray()
        return not np.array_equal(former, now)
    except UnreadableError:
        return False


def _colourful(frame: av.VideoFrame) -> av.VideoFrame:
    """A test picture stored and tagged like `frame`; `frame` itself if FFmpeg reads but cannot write its format."""
    graph = Graph()
    try:
        steps = graph.add("testsrc2", SIZE), graph.add("format", frame.format.name), graph.add("buffersink")
        graph.link_nodes(*steps).configure()
        made = graph.vpull()
    except (av.FFmpegError, ValueError):
        return frame
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    return made


def main() -> None:
    """Serve the parent until it is gone."""
    channel = Channel(sys.argv[1:])
    while True:
        job = channel.receive()
        try:
            otherwise = reads_otherwise_now(Path(job["path"]), job["decoder"])
        except OSError:
            otherwise = True  # decoding will tell
        channel.send({"otherwise": otherwise})


if __name__ == "__main__":
    main()
