"""Resize every frame with Pillow's LANCZOS to 340 x 256, several times as fast as Pillow.

Pillow is the definition, because the original scripts used it. For bytes it computes in integers, so vector
instructions can produce identical results: `i3d.decoding.lanczos`. Without LLVM, or if its code produces other bytes
than the installed Pillow, Pillow resizes.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import PIL
from PIL import Image

from i3d.decoding.lanczos.compiled import Lanczos
from i3d.frame_stream import FRAME_SHAPE, HEIGHT, WIDTH

OTHER_PICTURES = "the faster way gives other pictures than this Pillow"


def resize(frame: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Scale an RGB frame, uint8 (h, w, 3) of any size and strides, to uint8 (256, 340, 3), ignoring its aspect ratio.

    Writes into the C-contiguous `out` if given; returns the result. Releases the GIL. Raises ValueError for other
    arrays.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(f"a frame must be uint8 (h, w, 3), not {frame.dtype} {frame.shape}")
    if out is None:
        out = np.empty(FRAME_SHAPE, np.uint8)
    elif out.dtype != np.uint8 or out.shape != FRAME_SHAPE or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"out must be a contiguous, writeable uint8 {FRAME_SHAPE}")
    resizer, _ = _chosen()
    resizer(frame, out)
    return out


def why_pillow() -> str | None:
    """Why Pillow resizes here, in words; None if the faster code does."""
    return _chosen()[1]


def other_pillow() -> str | None:
    """The installed Pillow, if its pictures differ from those of versions before 13; None if they are equal."""
    return f"Pillow {PIL.__version__}" if why_pillow() == OTHER_PICTURES else None


def pillow(frame: np.ndarray, out: np.ndarray) -> None:
    """Resize a frame with Pillow into `out`."""
    out[:] = Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


@cache
def _chosen() -> tuple[Callable[[np.ndarray, np.ndarray], None], str | None]:
    """Choose the function that resizes; also return why it is Pillow, or None."""
    try:
        lanczos = Lanczos()
    except ImportError:
        return pillow, "llvmlite is not installed"
    except (RuntimeError, OSError) as error:  # OSError if the .ll files are missing
        return pillow, f"LLVM refuses: {str(error).strip().splitlines()[0]}"
    expected, result = np.empty((2, *FRAME_SHAPE), np.uint8)
    for shape in ((97, 401, 3), (301, 83, 3)):  # each pass once up and once down
        frame = (np.arange(math.prod(shape)) ** 2 % 251).astype(np.uint8).reshape(shape)
        pillow(frame, expected)
        lanczos(frame, result)
        if not np.array_equal(result, expected):
            return pillow, OTHER_PICTURES
    return lanczos, None
