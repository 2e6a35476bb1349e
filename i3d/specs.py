"""Sizes of frames and crops; sample modes and precisions by their names in the settings. Imports no NumPy or torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

HEIGHT, WIDTH = 256, 340  # pixels; every frame is resized to this, whatever its proportions
FRAME_BYTES = HEIGHT * WIDTH * 3
CROP = 224  # pixels, height and width

_TOP, _MIDDLE, _BOTTOM = 0, (HEIGHT - CROP) // 2, HEIGHT - CROP  # 0, 16, 32
_LEFT, _CENTRE, _RIGHT = 0, (WIDTH - CROP) // 2, WIDTH - CROP  # 0, 58, 116

# (top, left) of the five crops: top left, top right, centre, bottom left, bottom right.
FIVE_CROPS = ((_TOP, _LEFT), (_TOP, _RIGHT), (_MIDDLE, _CENTRE), (_BOTTOM, _LEFT), (_BOTTOM, _RIGHT))
CENTRE_CROP = (_MIDDLE, _CENTRE)


@dataclass(frozen=True)
class SampleMode:
    """The crops of a snippet, in the order of a feature's second axis."""

    places: tuple[tuple[int, int], ...]  # (top, left) of each crop in the resized frame, even numbers
    mirrored: bool  # whether the same crops of the mirrored frame follow

    @property
    def crops(self) -> int:
        """Crops per snippet."""
        return len(self.places) * (2 if self.mirrored else 1)


@dataclass(frozen=True)
class Precision:
    """The arithmetic of the network."""

    dtype: str  # of weights and activations, by torch's name
    bytes: int  # per value
    tensor_cores: bool  # whether a GPU uses kernels other than those of plain fp32
    tolerance: float  # relative L2 distance to fp32 features at which a self-check still passes


SAMPLE_MODES = {
    "oversample": SampleMode(FIVE_CROPS, mirrored=True),
    "center_crop": SampleMode((CENTRE_CROP,), mirrored=False),
}
PRECISIONS = {
    "fp32": Precision("float32", 4, tensor_cores=False, tolerance=1e-5),
    "tf32": Precision("float32", 4, tensor_cores=True, tolerance=2e-3),
    "bf16": Precision("bfloat16", 2, tensor_cores=True, tolerance=1e-2),
    "fp16": Precision("float16", 2, tensor_cores=True, tolerance=2e-3),
}

if TYPE_CHECKING:
    SampleModeName: TypeAlias = str
    PrecisionName: TypeAlias = str
else:
    SampleModeName = Literal[*SAMPLE_MODES]
    PrecisionName = Literal[*PRECISIONS]
