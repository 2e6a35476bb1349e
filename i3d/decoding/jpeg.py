"""Frames as the original scripts had them: through JPEG files, at a constant rate.

The scripts ran `ffmpeg -i x.mp4 -start_number 0 %d.jpg` and read the files with Pillow. Here the same libraries do the
same in memory: FFmpeg's filters turn the picture and convert it to full-range YUV, its JPEG encoder takes the quality
that a budget of 200 kbit/s leaves it (so that a picture depends on all before it), and Pillow decodes. Nobody converts
the colours: Pillow takes BT.709 for BT.601.
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

BIT_RATE = 200_000  # libavcodec's default, which the scripts left as it was
JPEG_FORMATS = "yuvj420p|yuvj422p|yuvj444p"  # what the program admits for JPEG


def jpeg_files(video: Video, frames: Iterable[av.VideoFrame], *, old: bool = False) -> Iterator[bytes]:
    """What is in the JPEG files that the program writes of a video, one after the other.

    `frames` and `old` are as in `at_constant_rate`. Raises UnreadableError at a hole of more than an hour in the
    timestamps, or if FFmpeg cannot convert the frames.
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
        shown.pts, shown.time_base = place, 1 / rate  # the budget depends on the place, too
        yield from map(bytes, encoder.encode(shown))


def read_jpeg(file: bytes) -> np.ndarray:
    """The picture in a JPEG file as Pillow reads it, uint8 RGB (height, width, 3)."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg_encoder(frame: av.VideoFrame, rate: Fraction, aspect: Fraction | None) -> VideoCodecContext:
    """The encoder for frames like this one, as the program sets it up; `aspect` is that of a pixel, None if unknown."""
    encoder = cast(VideoCodecContext, av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.framerate, encoder.time_base = rate, 1 / rate
    if aspect:  # a file that tells it is 18 bytes longer, which the budget feels
        encoder.sample_aspect_ratio = aspect
    encoder.bit_rate = BIT_RATE
    encoder.thread_count = 1  # as in the program; several would share the budget out otherwise
    return encoder
