"""torchvision's video networks, trained on Kinetics-400, without their classifiers.

To add one, add a line to the table below with what planning needs (`tests/backbones` compares it with the library);
normalization and the address of the weights come from the library.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from i3d.backbones.backbone import Backbone, Published

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TorchvisionVideo(Backbone):
    """A network that has the same name in `torchvision.models.get_model`."""

    weights: str  # the library's name for the published weights

    requires: ClassVar[tuple[str, ...]] = ("torchvision",)

    def published(self) -> Published:
        import torch.hub

        url = self._library_weights().url
        digits = torch.hub.HASH_REGEX.search(url)  # part of the file's name, as torch.hub checks it
        return Published(url, digits[1] if digits else None)

    def is_left_out(self, name: str) -> bool:
        return (
            name.startswith(f"{_classifier(self.name)}.")
            or name.endswith("relative_position_index")  # follows from the window's size
            or super().is_left_out(name)
        )

    def normalised(self, frames: "Tensor", normalization: str) -> "Tensor":
        from i3d.backbones.library_network import normalised

        preset = self._library_weights().transforms()
        return normalised(frames, tuple(preset.mean), tuple(preset.std))

    def _module(self) -> "nn.Module":
        from torch import nn
        from torchvision.models import get_model

        module = get_model(self.name, weights=None)
        setattr(module, _classifier(self.name), nn.Identity())
        return module

    def _library_weights(self) -> Any:
        from torchvision.models import get_weight

        return get_weight(self.weights)


@cache
def _classifier(name: str) -> str:
    """The attribute that holds a network's classifier: its last part."""
    from torchvision.models import get_model

    from i3d.backbones.library_network import on_meta

    *_, (last, _) = on_meta(lambda: get_model(name, weights=None)).named_children()
    return last


def video(name: str, weights: str, dim: int, gflop: float, values: float, **more: Any) -> TorchvisionVideo:
    """Make a line of the table from the library's names of a network and its weights, and what planning needs."""
    weights = f"{weights}_Weights.KINETICS400_V1"
    return TorchvisionVideo(name=name, weights=weights, dim=dim, gflop=gflop, values=values, **more)


# Licences are those of the code that the weights come from; torchvision notes that the training data may add terms.
# `gflop` and `values` are counted by `backbones/counted_work.py` over 16 frames.
BACKBONES = (
    video("swin3d_t", "Swin3D_T", 768, 5.485, 0.1219, licence="Apache 2.0"),
    video("swin3d_s", "Swin3D_S", 768, 10.36, 0.1972, licence="Apache 2.0"),
    video("swin3d_b", "Swin3D_B", 1024, 17.58, 0.2628, licence="Apache 2.0"),
    video("mvit_v2_s", "MViT_V2_S", 768, 8.028, 0.1145, clip_lengths=(16, 16), licence="Apache 2.0"),
    video("r2plus1d_18", "R2Plus1D_18", 512, 5.065, 0.0253, input_size=112, filter="bilinear", licence="BSD 3-Clause"),
    video("s3d", "S3D", 1024, 2.247, 0.0196, clip_lengths=(14, 512), licence="BSD 3-Clause"),
)
