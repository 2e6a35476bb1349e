"""What a backbone is: what planning must know of a network without torch, and how it is built with torch."""

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

OWN = "own"  # the normalization of a network that knows but one, its own
FOLDER = "resources"  # where weights are, unless the configuration says otherwise


class Network(Protocol):
    """A network as the engine uses it."""

    dim: int  # length of a feature vector
    crops: int  # per snippet

    def prepare(self, device: "torch.device", precision: str) -> None:
        """Move it to the device, in the precision's type and the layout that is fastest there."""

    def features(self, frames: "Tensor") -> "Tensor":
        """Features, float32 (B, crops, dim), of frames on its device, uint8 (B, T, 256, 340, 3)."""


@dataclass(frozen=True)
class Published:
    """Weights as their authors publish them. `sha256` is the digest or its first digits; None where they give none."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Backbone(ABC):
    """A network. `gflop` and `values` are of one frame of one crop, and in proportion for all."""

    name: str
    dim: int  # length of a feature vector
    gflop: float  # a multiply-add counted as two, batch norms folded where that is done
    values: float  # 10^9 numbers that are read and written, each operation by itself
    fused_values: float | None = None  # the same where cuDNN fuses what it can; None where no layers are fused
    licence: str  # of the published weights
    clip_lengths: tuple[int, int] = (8, 512)  # frames per snippet that it takes, at least and at most
    input_size: int = CROP  # pixels, height and width of what it takes; crops of another size are resized to it
    filter: str | None = None  # by which they are; None where it takes crops as they are

    normalizations: ClassVar[tuple[str, ...]] = (OWN,)  # values of that setting with a meaning for it
    frame_poolings: ClassVar[tuple[str, ...]] = ()  # likewise; empty for a network that takes snippets whole
    requires: ClassVar[tuple[str, ...]] = ()  # packages beside torch, which the tables say the version of

    # What planning asks -----------------------------------------------------------------------------------------------

    def snippet_tflop(self, sample_mode: str, clip_length: int, frame_pooling: str | None = None) -> float:
        """10^12 floating-point operations of one snippet."""
        return self._gflop_of_a_frame(sample_mode) * self._frames(sample_mode, clip_length, frame_pooling) / 1e3

    def snippet_gigabytes(
        self,
        sample_mode: str,
        clip_length: int,
        value_bytes: int,
        frame_pooling: str | None = None,
        *,
        fused: bool = False,
    ) -> float:
        """10^9 bytes that one snippet moves through a GPU's memory.

        `value_bytes` is the size of the precision's type. `fused` is with fused layers, where the network has them.
        """
        values = self.fused_values if fused and self.fused_values else self.values
        return values * self._frames(sample_mode, clip_length, frame_pooling) * value_bytes

    def _gflop_of_a_frame(self, sample_mode: str) -> float:
        """By crop, in this sample mode."""
        return self.gflop

    def _frames(self, sample_mode: str, clip_length: int, frame_pooling: str | None) -> int:
        """Frames of all crops of a snippet."""
        return SAMPLE_MODES[sample_mode].crops * (1 if frame_pooling == "middle" else clip_length)

    @property
    def crop_resize(self) -> str | None:
        """What is done about an input size other than the crops', as the table says it; None where nothing is."""
        return None if self.input_size == CROP else f"{self.input_size}x{self.input_size} {self.filter}"

    @staticmethod
    def default_weights(name: str) -> str:
        """Where weights are unless the configuration says otherwise, and where `snakemake weights` puts them."""
        return f"{FOLDER}/{name}.pth"

    @property
    def published_file(self) -> str:
        """Where `snakemake weights` puts the published file."""
        return self.default_weights(self.name)

    def check_clip_length(self, clip_length: int) -> None:
        """Raise UserError if snippets of so many frames cannot be taken."""
        least, most = self.clip_lengths
        if not least <= clip_length <= most:
            wanted = f"{least} alone" if least == most else f"{least} to {most}"
            raise UserError(f"config: invalid value {clip_length} of 'clip_length'; {self.name} takes {wanted}")

    # What needs torch -------------------------------------------------------------------------------------------------

    @abstractmethod
    def expected_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors that features depend on, as the published weights name them."""

    @abstractmethod
    def random_weights(self, seed: int = 0) -> "dict[str, Tensor]":
        """Made-up float32 weights for a trial, the same on every machine, that give features of ordinary size."""

    @abstractmethod
    def plain(self, weights: "Mapping[str, Tensor]") -> "nn.Module":
        """The network as its authors wrote it, without the classifier, in inference mode and float32.

        It takes normalised crops, float32 (B, 3, T, input_size, input_size), and gives features (B, dim). `weights`
        are float32 tensors named and shaped as in `expected_shapes`.
        """

    @abstractmethod
    def network(self, weights: "Mapping[str, Tensor]", *, normalization: str, sample_mode: str) -> Network:
        """The network as it is run, not yet prepared; `weights` as for `plain`."""

    @abstractmethod
    def normalised(self, frames: "Tensor", normalization: str) -> "Tensor":
        """Scale float frames (B, 3, ...) with values 0..255 to what the network takes, in place."""

    # Its weights' files -----------------------------------------------------------------------------------------------

    @abstractmethod
    def published(self) -> Published:
        """Where its weights are published. Raises UserError, saying what to do, where no address is known."""

    def is_left_out(self, name: str) -> bool:
        """Whether features do not depend on a tensor of this name in a weights file."""
        return name.endswith("num_batches_tracked")

    def read_other(self, data: bytes, path: Path) -> "dict[str, Tensor]":
        """The tensors of a file that is neither PyTorch's nor safetensors. Raises UserError if it holds no weights."""
        raise UserError(f"weights: {path} is no PyTorch and no safetensors file: get the published file again")

    def renamed(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """A file's tensors under the names of `expected_shapes`, where other programs name them otherwise."""
        return state

    def hint(self, found: "Mapping[str, Tensor]", expected: Mapping[str, tuple[int, ...]]) -> str:
        """What tensors that do not fit suggest their file is, and what to do."""
        return f"these are no weights of {self.name}; {commands.snakemake('weights')} says where to get them"
