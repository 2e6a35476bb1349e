"""Decoded frames as ffmpeg shows them: in RGB, and turned as the file asks."""

import struct
from math import atan2, degrees

import av
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from PIL import Image


class Picture:
    """Turns decoded frames into RGB pictures as ffmpeg shows them."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 (height, width, 3), turned and mirrored as the frame's display matrix says."""
        rgb = self._reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC").to_ndarray()
        return turn(rgb, display_matrix(frame))


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The linear part (a, b, c, d) of a frame's display matrix: x' = ax + cy, y' = bx + dy, in 1/65536."""
    data: SideData
    # Not `frame.side_data`, which ties the frame to its data in a cycle: large frames would pile up until collected.
    for data in SideDataContainer(frame):  # type: ignore[assignment, call-arg]  # PyAV's stubs promise keys
        if data.type is SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            return a, b, c, d
    return 1, 0, 0, 1


def turn(rgb: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Apply a display matrix to uint8 (h, w, 3) as ffmpeg's autorotation does.

    Quarter turns and mirrorings are exact; other angles keep the picture's size and fill its corners with black.
    """
    a, b, c, d = matrix
    if 50 * max(abs(b), abs(c)) < max(abs(a), abs(d)):  # within about one degree of upright
        return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if 50 * max(abs(a), abs(d)) < max(abs(b), abs(c)):
        return rgb.swapaxes(0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    return np.asarray(Image.fromarray(rgb).rotate(-degrees(atan2(b, a)), Image.Resampling.BILINEAR))
