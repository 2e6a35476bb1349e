"""The one resize that every frame goes through."""

import numpy as np
from PIL import Image

from i3d.network.specs import HEIGHT, WIDTH


def resize(frame: np.ndarray) -> np.ndarray:
    """Scale an RGB frame, uint8 (h, w, 3) of any size, to uint8 (256, 340, 3), read-only.

    Pillow's LANCZOS, aspect not kept, is the definition: it is what the original scripts fed the model with.
    It lets go of the interpreter lock, so threads scale.
    """
    return np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
