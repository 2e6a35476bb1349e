"""Models, sample modes, normalizations and precisions, by the names that the settings have for them.

All that depends on one of them is said here, once: to add one, add it here and its name to config/schema.yaml (and
write its network, if it is a model). Needs neither torch nor NumPy, so that planning starts quickly.
"""

from dataclasses import dataclass

HEIGHT, WIDTH = 256, 340  # pixels; every frame is resized to this, whatever its own proportions
CROP = 224  # pixels, height and width of what the network sees of it

_TOP, _MIDDLE, _BOTTOM = 0, (HEIGHT - CROP) // 2, HEIGHT - CROP  # 0, 16, 32
_LEFT, _CENTRE, _RIGHT = 0, (WIDTH - CROP) // 2, WIDTH - CROP  # 0, 58, 116

# (top, left) of the five crops: top left, top right, centre, bottom left, bottom right.
FIVE_CROPS = ((_TOP, _LEFT), (_TOP, _RIGHT), (_MIDDLE, _CENTRE), (_BOTTOM, _LEFT), (_BOTTOM, _RIGHT))
CENTRE_CROP = (_MIDDLE, _CENTRE)


@dataclass(frozen=True)
class SampleMode:
    """Which crops a snippet gives, in the order of a feature's second axis."""

    places: tuple[tuple[int, int], ...]  # (top, left) of each crop in the resized frame, even numbers
    mirrored: bool  # whether the crops at the same places of the mirrored frame follow

    @property
    def crops(self) -> int:
        """Crops per snippet."""
        return len(self.places) * (2 if self.mirrored else 1)

    @property
    def shares_stem(self) -> bool:
        """Whether the network's first convolution runs once over the whole frame instead of once per crop."""
        return self.crops > 1


@dataclass(frozen=True)
class Model:
    """A network. TFLOP are of one crop of 16 frames, a multiply-add counted as two, batch norms folded."""

    dim: int  # length of a feature vector
    nonlocal_blocks: bool
    tflop: float
    tflop_shared_stem: float  # the same where the crops of a snippet share the first convolution
    published: str  # name of the published Caffe2 weights, without its suffix

    def snippet_tflop(self, sample_mode: str, clip_length: int) -> float:
        """TFLOP of one snippet: in proportion to its frames, which counts attention a little too low for long ones."""
        mode = SAMPLE_MODES[sample_mode]
        per_crop = self.tflop_shared_stem if mode.shares_stem else self.tflop
        return per_crop * mode.crops * clip_length / 16


@dataclass(frozen=True)
class Precision:
    """The arithmetic of the network."""

    dtype: str  # torch's name for the type of weights and activations
    bytes: int  # of one value of it
    tensor_cores: bool  # whether a GPU computes it in kernels other than those of plain fp32
    tolerance: float  # relative L2 distance to fp32 features up to which a self-check passes


@dataclass(frozen=True)
class Normalization:
    """What becomes of a pixel value 0..255: (value - subtract) / divide."""

    subtract: float
    divide: float


SAMPLE_MODES = {
    "oversample": SampleMode(FIVE_CROPS, mirrored=True),
    "center_crop": SampleMode((CENTRE_CROP,), mirrored=False),
}
MODELS = {  # TFLOP as torch.utils.flop_counter counts them
    "i3d_r50": Model(2048, False, 0.0328, 0.0270, "i3d_baseline_32x2_IN_pretrain_400k"),
    "i3d_r50_nl": Model(2048, True, 0.0395, 0.0336, "i3d_nonlocal_32x2_IN_pretrain_400k"),
}
PRECISIONS = {
    "fp32": Precision("float32", 4, tensor_cores=False, tolerance=1e-5),
    "tf32": Precision("float32", 4, tensor_cores=True, tolerance=2e-3),
    "bf16": Precision("bfloat16", 2, tensor_cores=True, tolerance=1e-2),
    "fp16": Precision("float16", 2, tensor_cores=True, tolerance=2e-3),
}
NORMALIZATIONS = {
    "inception": Normalization(127.5, 127.5),  # x*2/255-1, the original scripts'
    "kinetics": Normalization(114.75, 57.375),  # the mean and deviation that the published weights were trained with
}
