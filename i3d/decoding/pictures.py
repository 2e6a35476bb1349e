"""Convert decoded frames as ffmpeg does: to RGB, rotated as the file asks.

Frames pass through the filters that the ffmpeg program inserts between its decoder and an RGB output, in the same
order, so that matrix, range, chroma and rotation agree. This matches FFmpeg 7.x, and 5.1 except where the two differ:
on RGB of more than 8 bits tagged with a YUV matrix (7.x does not convert it, as here), on a display matrix that only
some frames carry (7.x keeps the last one, as here), and on matrices unknown to libswscale (7.x refuses the video, 5.1
uses BT.601, as here).
"""

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from math import atan2, degrees, floor, hypot
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType

from i3d.decoding.damage import Faults
from i3d.decoding.frame_folder import FrameFolder
from i3d.decoding.held_file import UnreadableError
from i3d.decoding.video_file import Video

# Values from libavutil/pixfmt.h. libavfilter's scale filter accepts just these.
UNSPECIFIED, BT2020_NCL, BT2020_CL = 2, 9, 10
KNOWN_MATRICES = {0, 1, UNSPECIFIED, 4, 5, 6, 7, BT2020_NCL}
KNOWN_RANGES = {0, 1, 2}

Matrix = tuple[int, int, int, int]


class Picture:
    """Converts the decoded frames of one video, in order, to RGB pictures of the first one's size."""

    def __init__(self) -> None:
        self._filters = Filters("rgb24")

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as uint8 (height, width, 3). Raises UnreadableError if FFmpeg cannot convert it."""
        return self._filters(frame).to_ndarray()

    def following(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield all frames unchanged, noting their rotation: later frames keep it even if this one is not converted."""
        for frame in frames:
            self._filters.notice(frame)
            yield frame


class Filters:
    """Rotates the decoded frames of one video, in order, and converts them to the first one's format and size.

    `formats` are the pixel formats to choose from, separated by `|`.
    """

    def __init__(self, formats: str) -> None:
        self._formats = formats
        self._graph: Graph | None = None
        self._built_for: tuple[object, ...] | None = None
        self._size: tuple[int, int] | None = None
        self._matrix: Matrix | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the converted frame. Raises UnreadableError if FFmpeg cannot convert it."""
        self.notice(frame)
        traits = (*kind(frame), self._matrix)
        try:
            if self._graph is None or traits != self._built_for:
                self._graph, self._built_for = _filters(frame, self._formats, self._matrix, self._size), traits
            self._graph.vpush(frame)
            shown = self._graph.vpull()
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            raise UnreadableError(f"FFmpeg cannot convert {frame.format.name} pictures") from None
        self._size = self._size or (shown.width, shown.height)
        self._formats = shown.format.name
        return shown

    def notice(self, frame: av.VideoFrame) -> None:
        """Remember a frame's display matrix, which holds until a later frame has another."""
        self._matrix = display_matrix(frame) or self._matrix


def kind(frame: av.VideoFrame) -> tuple[object, ...]:
    """The properties of a frame on which the filters depend: ffmpeg rebuilds them when these change."""
    return frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range


def _filters(frame: av.VideoFrame, formats: str, matrix: Matrix | None, size: tuple[int, int] | None) -> Graph:
    """Build the filters that ffmpeg uses for frames like this one; `size` (width, height) is that of earlier pictures.

    As in its program (fftools/ffmpeg_filter.c), they are rebuilt whenever format, size or colour tags change, later
    pictures are scaled to the first one's size, and libavfilter inserts the conversion to `formats`.
    """
    colours = BT2020_NCL if frame.colorspace == BT2020_CL else frame.colorspace  # both have the same coefficients
    with _one_processor():
        graph = Graph()
        passing = graph.add("null")  # created first, as in ffmpeg: formats are negotiated in the order of creation
        source = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base="1/1",
            colorspace=str(colours if colours in KNOWN_MATRICES else UNSPECIFIED),
            range=str(frame.color_range if frame.color_range in KNOWN_RANGES else 0),
        )
        turning = [graph.add(name, arguments) for name, arguments in turning_filters(matrix)]
        sink = graph.add("buffersink")
        scaling = [graph.add("scale", f"{size[0]}:{size[1]}:flags=bicubic")] if size else []
        chosen = graph.add("format", formats)
        graph.link_nodes(source, *turning, passing, *scaling, chosen, sink).configure()
    return graph


@contextlib.contextmanager
def _one_processor() -> Iterator[None]:
    """Restrict this thread to one processor: libavfilter would start a thread for each, in every worker."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)


def rgb_frames(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a video file or a folder of pictures, uint8 (height, width, 3).

    Raises UnreadableError or OSError.
    """
    if path.is_dir():
        yield from FrameFolder(path).frames()
    else:
        picture = Picture()
        yield from (picture(frame) for frame in Video(path).decode(Faults()))


def display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """Return the linear part (a, b, c, d) of a frame's display matrix: x' = ax + cy, y' = bx + dy, in 1/65536."""
    data: SideData
    # Not `frame.side_data`, whose reference cycle would keep large frames in memory until garbage collection.
    for data in SideDataContainer(frame):  # type: ignore[assignment, call-arg]  # PyAV's stubs promise keys
        if data.type is SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            return a, b, c, d
    return None


def turning_filters(matrix: Matrix | None) -> list[tuple[str, str]]:
    """Return the filters (name, arguments) with which ffmpeg's autorotation applies a display matrix.

    Quarter turns and mirroring are exact; other angles keep the picture's size and fill the corners with black.
    """
    a, b, c, d = matrix or (1, 0, 0, 1)
    if not hypot(a, c) or not hypot(b, d):
        return []  # the matrix defines no rotation
    angle = round(degrees(atan2(b / hypot(b, d), a / hypot(a, c))))
    angle -= 360 * floor((angle + 0.9) / 360)
    if angle == 90:
        return [("transpose", "cclock_flip" if c > 0 else "clock")]
    if angle == 270:
        return [("transpose", "clock_flip" if c < 0 else "cclock")]
    if angle == 180:
        return [("hflip", "")] * (a < 0) + [("vflip", "")] * (d < 0)
    if angle > 1:
        return [("rotate", f"{angle}*PI/180")]
    return [("vflip", "")] if angle < 1 and d < 0 else []
