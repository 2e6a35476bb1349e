"""Frames as in the original scripts: through JPEG files, at a constant rate.

The scripts ran `ffmpeg -i x.mp4 -start_number 0 %d.jpg` and read the files with Pillow. Here the same libraries do the
same in memory: FFmpeg's filters rotate the picture and convert it to full-range YUV, its JPEG encoder chooses the
quality to keep 200 kbit/s (so that a picture depends on all before it), and Pillow decodes. The colour matrix is not
converted: Pillow reads BT.709 as BT.601.
"""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from i3d.decoding.constant_rate import at_constant_rate, picture_rate
from i3d.decoding.pictures import Filters
from i3d.decoding.video_file import Video

BIT_RATE = 200_000  # libavcodec's default, which the scripts did not change
JPEG_FORMATS = "yuvj420p|yuvj422p|yuvj444p"  # the program's pixel formats for JPEG


def jpeg_files(video: Video, frames: Iterable[av.VideoFrame], *, old: bool = False) -> Iterator[bytes]:
    """Yield the contents of the JPEG files that the program would write, one after another.

    `frames` and `old` are as in `at_constant_rate`. Raises UnreadableError if the timestamps jump by more than an hour,
    or if FFmpeg cannot convert the frames.
    """
    rate = picture_rate(video.stream)
    show = Filters(JPEG_FORMATS)
    shown: av.VideoFrame | None = None
    last: av.VideoFrame | None = None
    encoder: VideoCodecContext | None = None
    for place, frame in at_constant_rate(video, frames, old=old):
        if shown is None or frame is not last:
            shown, last = show(frame), frame
        encoder = encoder or jpeg_encoder(shown, rate, video.stream.sample_aspect_ratio)
        shown.pts, shown.time_base = place, 1 / rate  # the quality depends on the place, too
        yield from map(bytes, encoder.encode(shown))


def read_jpeg(file: bytes) -> np.ndarray:
    """Decode a JPEG file's content with Pillow: RGB, uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg_encoder(frame: av.VideoFrame, rate: Fraction, aspect: Fraction | None) -> VideoCodecContext:
    """Set up the encoder for frames like this one as the program does; `aspect` is a pixel's, None if unknown."""
    encoder = cast(VideoCodecContext, av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.framerate, encoder.time_base = rate, 1 / rate
    if aspect:  # a file that states it is 18 bytes longer, which affects the quality
        encoder.sample_aspect_ratio = aspect
    encoder.bit_rate = BIT_RATE
    encoder.thread_count = 1  # as in the program; more threads would divide the bit rate differently
    return encoder
