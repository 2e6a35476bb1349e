"""The interface of a backbone: what planning knows of a network without torch, and how to build it with torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from i3d import commands
from i3d.errors import UserError
from i3d.specs import CROP, SAMPLE_MODES

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

OWN = "own"  # the normalization of a network that has only one
FOLDER = "resources"  # default folder of weights files


class Network(Protocol):
    """A network as the engine runs it."""

    dim: int  # length of a feature vector
    crops: int  # per snippet

    def prepare(self, device: "torch.device", precision: str) -> None:
        """Move the network to the device, in the precision's type and the layout that is fastest there."""

    def features(self, frames: "Tensor") -> "Tensor":
        """Compute features, float32 (B, crops, dim), from frames on the same device, uint8 (B, T, 256, 340, 3)."""


@dataclass(frozen=True)
class Published:
    """Published weights; `sha256` may be only the first digits of the digest, or None if the authors state none."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Backbone(ABC):
    """A network. `gflop` and `values` are per frame and crop, and scale with both.

    The methods' defaults serve networks that come from a library.
    """

    name: str
    dim: int  # length of a feature vector
    gflop: float  # a multiply-add counts as two; batch norms are folded where the network folds them
    values: float  # 10^9 numbers read and written, every operation counted separately
    fused_values: float | None = None  # the same with the layers that cuDNN fuses; None without fused layers
    licence: str  # of the published weights
    clip_lengths: tuple[int, int] = (8, 512)  # fewest and most frames per snippet
    input_size: int = CROP  # pixels, height and width; crops of another size are resized to it
    filter: str | None = None  # used to resize them; None if they need no resizing

    normalizations: ClassVar[tuple[str, ...]] = (OWN,)  # accepted values of that setting
    frame_poolings: ClassVar[tuple[str, ...]] = ()  # likewise; empty for a network of whole snippets
    requires: ClassVar[tuple[str, ...]] = ()  # packages besides torch, whose versions the tables record

    # What planning asks -----------------------------------------------------------------------------------------------

    def snippet_tflop(self, sample_mode: str, clip_length: int, frame_pooling: str | None = None) -> float:
        """10^12 floating-point operations per snippet."""
        return self._gflop_of_a_frame(sample_mode) * self._frames(sample_mode, clip_length, frame_pooling) / 1e3

    def snippet_gigabytes(
        self, sample_mode: str, clip_length: int, value_bytes: int, frame_pooling: str | None = None
    ) -> float:
        """10^9 bytes that one snippet moves through a GPU's memory; `value_bytes` is the size of the precision's type.

        Its fused layers count, if the network has them.
        """
        return (self.fused_values or self.values) * self._frames(sample_mode, clip_length, frame_pooling) * value_bytes

    def _gflop_of_a_frame(self, sample_mode: str) -> float:
        """10^9 floating-point operations per frame and crop."""
        return self.gflop

    def _frames(self, sample_mode: str, clip_length: int, frame_pooling: str | None) -> int:
        """Frames of a snippet, times its crops."""
        return SAMPLE_MODES[sample_mode].crops * (1 if frame_pooling == "middle" else clip_length)

    @property
    def crop_resize(self) -> str | None:
        """How crops are resized, as the table records it; None if they are not."""
        return None if self.input_size == CROP else f"{self.input_size}x{self.input_size} {self.filter}"

    @staticmethod
    def default_weights(name: str) -> str:
        """The default path of the weights, where `snakemake weights` puts them."""
        return f"{FOLDER}/{name}.pth"

    @property
    def published_file(self) -> str:
        """The path where `snakemake weights` puts the published file."""
        return self.default_weights(self.name)

    def check_clip_length(self, clip_length: int) -> None:
        """Raise UserError if the network cannot process snippets of this many frames."""
        least, most = self.clip_lengths
        if not least <= clip_length <= most:
            wanted = f"only {least}" if least == most else f"{least} to {most}"
            raise UserError(f"config: invalid value {clip_length} of 'clip_length'; {self.name} accepts {wanted}")

    # What needs torch -------------------------------------------------------------------------------------------------

    @abstractmethod
    def _module(self) -> "nn.Module":
        """Build the authors' module, as initialised; a classifier may remain if `is_left_out` names its tensors."""

    def expected_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors that features depend on, named as in the published weights."""
        from i3d.backbones.library_network import on_meta

        state = on_meta(self._module).state_dict()
        return {name: tuple(value.shape) for name, value in state.items() if not self.is_left_out(name)}

    def random_weights(self) -> "dict[str, Tensor]":
        """Make up float32 weights for a trial: the same on every machine, with features of ordinary size."""
        from i3d.backbones.library_network import random_weights

        return random_weights(self.expected_shapes())

    def plain(self, weights: "Mapping[str, Tensor]") -> "nn.Module":
        """Build the network as its authors wrote it, without the classifier, in inference mode and float32.

        It maps normalised crops, float32 (B, 3, T, input_size, input_size), to features (B, dim). `weights` are float32
        tensors named and shaped as in `expected_shapes`.
        """
        module = self._module().eval().requires_grad_(False)
        module.load_state_dict(weights, strict=False)
        return module

    def network(self, weights: "Mapping[str, Tensor]", *, normalization: str, sample_mode: str) -> Network:
        """Build the network as the engine runs it, not yet prepared; `weights` as for `plain`."""
        from i3d.backbones.library_network import LibraryNetwork

        return LibraryNetwork(self, self.plain(weights), SAMPLE_MODES[sample_mode])

    @abstractmethod
    def normalised(self, frames: "Tensor", normalization: str) -> "Tensor":
        """Scale float frames (B, 3, ...) from values 0..255 to the network's input, in place."""

    # Its weights' files -----------------------------------------------------------------------------------------------

    @abstractmethod
    def published(self) -> Published:
        """Find the published weights. Raises UserError, saying what to do, if no address is known."""

    def is_left_out(self, name: str) -> bool:
        """Whether features do not depend on the tensor of this name in a weights file."""
        return name.endswith("num_batches_tracked")

    def read_other(self, data: bytes, path: Path) -> "dict[str, Tensor]":
        """Read a file in a format other than PyTorch's and safetensors. Raises UserError if it holds no weights."""
        raise UserError(f"weights: {path} is neither a PyTorch nor a safetensors file: get the published file again")

    def renamed(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """Rename a file's tensors as in `expected_shapes`, if other programs name them differently."""
        return state

    def hint(self, found: "Mapping[str, Tensor]", expected: Mapping[str, tuple[int, ...]]) -> str:
        """Guess from tensors that do not fit what the file is, and say what to do."""
        return f"these are not weights of {self.name}; {commands.snakemake('weights')} says where to get them"
