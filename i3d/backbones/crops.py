"""From resized frames to the crops that a network sees, in the order of the original code and of a feature's axis."""

from collections.abc import Iterator

from torch import Tensor

from i3d.specs import CROP, SampleMode


def crops_of(frames: Tensor, mode: SampleMode) -> Iterator[Tensor]:
    """Views of frames (..., 256, 340) as their crops (..., 224, 224)."""
    for side in (frames, frames.flip(-1)) if mode.mirrored else (frames,):
        for top, left in mode.places:
            yield side[..., top : top + CROP, left : left + CROP]
