"""I3D-ResNet50, the network of the original scripts, with or without non-local blocks.

layers.py       the network itself
stem.py         its first convolution, computed once for all crops of a frame
fused_*.py      its blocks in their fastest form on a CPU and a GPU
network.py      all of this, as the engine runs it
weights.py      the published Caffe2 files, and hints for files that do not fit
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from i3d.backbones.backbone import FOLDER, Backbone, Network, Published
from i3d.specs import SAMPLE_MODES, SampleMode

if TYPE_CHECKING:
    from torch import Tensor, nn

PUBLISHED = "https://dl.fbaipublicfiles.com/video-nonlocal/{}.pkl"


@dataclass(frozen=True)
class Normalization:
    """Maps a pixel value 0..255 of any channel to (value - subtract) / divide."""

    subtract: float
    divide: float


NORMALIZATIONS = {
    "inception": Normalization(127.5, 127.5),  # x*2/255-1, the original scripts'
    "kinetics": Normalization(114.75, 57.375),  # the mean and deviation that the published weights were trained with
}


def shares_stem(mode: SampleMode) -> bool:
    """Whether the first convolution runs once over the whole frame, not once per crop."""
    return mode.crops > 1


@dataclass(frozen=True, kw_only=True)
class I3D(Backbone):
    """An I3D-ResNet50. Its weights are published as Caffe2 pickles and converted to PyTorch's format."""

    dim: int = 2048
    licence: str = "CC BY-NC 4.0"
    nonlocal_blocks: bool
    gflop_shared_stem: float  # `gflop` when the crops of a snippet share the first convolution
    caffe2_name: str  # of the published file, without suffix

    normalizations: ClassVar[tuple[str, ...]] = tuple(NORMALIZATIONS)

    def _gflop_of_a_frame(self, sample_mode: str) -> float:
        return self.gflop_shared_stem if shares_stem(SAMPLE_MODES[sample_mode]) else self.gflop

    @staticmethod
    def default_weights(name: str) -> str:
        return f"{FOLDER}/{name}_kinetics.pth"

    @property
    def published_file(self) -> str:
        """The path of the Caffe2 file, before it is converted."""
        return f"{FOLDER}/{self.caffe2_name}.pkl"

    def published(self) -> Published:
        return Published(PUBLISHED.format(self.caffe2_name))

    def _module(self) -> "nn.Module":
        from i3d.backbones.i3d_r50.layers import I3DResNet50

        return I3DResNet50(self.nonlocal_blocks)

    def is_left_out(self, name: str) -> bool:
        return name.startswith("fc.") or super().is_left_out(name)

    def random_weights(self) -> "dict[str, Tensor]":
        from i3d.backbones.library_network import random_weights

        return random_weights(self.expected_shapes(), last_norm="bn3")

    def plain(self, weights: "Mapping[str, Tensor]") -> "nn.Module":
        from i3d.backbones.i3d_r50.layers import build_model

        return build_model(self.nonlocal_blocks, weights)

    def network(self, weights: "Mapping[str, Tensor]", *, normalization: str, sample_mode: str) -> Network:
        from i3d.backbones.i3d_r50.network import I3DNetwork

        return I3DNetwork(self, weights, normalization, SAMPLE_MODES[sample_mode])

    def normalised(self, frames: "Tensor", normalization: str) -> "Tensor":
        spec = NORMALIZATIONS[normalization]
        return frames.sub_(spec.subtract).div_(spec.divide)

    def read_other(self, data: bytes, path: Path) -> "dict[str, Tensor]":
        from i3d.backbones.i3d_r50.weights import read_caffe2

        return read_caffe2(data, path)

    def hint(self, found: "Mapping[str, Tensor]", expected: Mapping[str, tuple[int, ...]]) -> str:
        from i3d.backbones.i3d_r50.weights import hint

        return hint(found, expected)


# Counted by `backbones/counted_work.py`; `values` over ten crops, without the smallest operations (a fifth).
BACKBONES = (
    I3D(
        name="i3d_r50",
        nonlocal_blocks=False,
        gflop=2.052,
        gflop_shared_stem=1.685,
        values=0.00897,
        fused_values=0.004625,
        caffe2_name="i3d_baseline_32x2_IN_pretrain_400k",
    ),
    I3D(
        name="i3d_r50_nl",
        nonlocal_blocks=True,
        gflop=2.466,
        gflop_shared_stem=2.1,
        values=0.01187,
        fused_values=0.0076,
        caffe2_name="i3d_nonlocal_32x2_IN_pretrain_400k",
    ),
)
