"""Frames as the original scripts had them: through JPEG files, at a constant rate.

The scripts ran `ffmpeg -i x.mp4 -start_number 0 %d.jpg` and read the files with Pillow. Here the same libraries do the
same in memory: FFmpeg's filters turn the picture and convert it to full-range YUV, its JPEG encoder takes the quality
that a budget of 200 kbit/s leaves it (so that a picture depends on all before it), and Pillow decodes. The matrix of the
colours is left as it is, and Pillow takes every picture for BT.601.
"""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import atan2, degrees, hypot
from typing import cast

import av
import numpy as np
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from i3d.decoding.pictures import display_matrix

BIT_RATE = 200_000  # libavcodec's default, which the scripts left as it was
JPEG_FORMATS = "yuvj420p|yuvj422p|yuvj444p"  # what the program admits for JPEG, in this order


def jpeg_pictures(
    frames: Iterable[tuple[int, av.VideoFrame]], rate: Fraction, aspect: Fraction | None = None
) -> Iterator[np.ndarray]:
    """Pass (place, frame), converted by `JpegFormat` and at a constant rate, through JPEG: uint8 RGB (height, width, 3).

    `aspect` is that of a pixel, None if the video does not say: a JPEG that tells it is 18 bytes longer, which count
    towards the budget. A frame that comes several times in a row may well become different pictures.
    """
    encoder: VideoCodecContext | None = None
    for place, frame in frames:
        encoder = encoder or _encoder(frame, rate, aspect)
        frame.pts, frame.time_base = place, 1 / rate
        for packet in encoder.encode(frame):
            with Image.open(io.BytesIO(bytes(packet))) as image:
                yield np.asarray(image.convert("RGB"))


def _encoder(frame: av.VideoFrame, rate: Fraction, aspect: Fraction | None) -> VideoCodecContext:
    encoder = cast(VideoCodecContext, av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.sample_aspect_ratio = aspect or 0
    encoder.bit_rate = BIT_RATE
    encoder.thread_count = 1  # as the program has it: several threads would share the budget otherwise
    return encoder


class JpegFormat:
    """Turns decoded frames as the file asks and converts them to full-range YUV, as the program does before JPEG.

    The first frame decides the size and the chroma subsampling; later ones of another size are scaled to its.
    """

    def __init__(self) -> None:
        self._made_for: object = None
        self._graph = Graph()
        self._size: str | None = None  # of the first picture
        self._formats = JPEG_FORMATS  # to choose from

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as the encoder takes it, without the timestamps of the old one."""
        matrix = display_matrix(frame)
        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range, matrix)
        if kind != self._made_for:
            self._graph, self._made_for = self._new_graph(frame, matrix), kind
        frame.pts = None
        self._graph.push(frame)
        converted = cast(av.VideoFrame, self._graph.pull())
        self._size, self._formats = f"{converted.width}:{converted.height}", converted.format.name
        return converted

    def _new_graph(self, frame: av.VideoFrame, matrix: tuple[int, int, int, int]) -> Graph:
        graph = Graph()
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:"
            f"colorspace={frame.colorspace}:range={frame.color_range}"
        )
        scaling = [("scale", f"{self._size}:flags=bicubic")] if self._size else []
        filters = [("buffer", source), *turning_filters(matrix), *scaling, ("format", self._formats), ("buffersink", None)]
        graph.link_nodes(*(graph.add(name, arguments) for name, arguments in filters))
        graph.configure()
        return graph


def turning_filters(matrix: tuple[int, int, int, int]) -> list[tuple[str, str | None]]:
    """The filters, with arguments, by which the program turns and mirrors pictures with this display matrix."""
    a, b, c, d = matrix
    angle = round(degrees(atan2(b / (hypot(b, d) or 1), a / (hypot(a, c) or 1)))) % 360
    match angle:
        case 90:
            return [("transpose", "cclock_flip" if c > 0 else "clock")]
        case 270:
            return [("transpose", "clock_flip" if c < 0 else "cclock")]
        case 0 | 180:
            across = [("hflip", None)] if a < 0 else []
            return across + ([("vflip", None)] if d < 0 else [])
        case _:
            return [("rotate", f"{angle}*PI/180")]
