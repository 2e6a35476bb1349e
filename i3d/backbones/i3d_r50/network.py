"""I3D-ResNet50 as the engine runs it: a stem shared by all crops of a frame, and fused blocks."""

from collections.abc import Mapping

import torch
from torch import Tensor

from i3d.backbones.backbone import Backbone
from i3d.backbones.i3d_r50 import fused_cpu, fused_cuda
from i3d.backbones.i3d_r50.layers import I3DResNet50
from i3d.backbones.i3d_r50.stem import stem_of_crops
from i3d.specs import PRECISIONS, SampleMode

CROPS_ON_A_CPU = 5  # computed at once: more take memory and save no time


class I3DNetwork:
    """See `Network`."""

    def __init__(
        self, backbone: Backbone, weights: Mapping[str, Tensor], normalization: str, sample_mode: SampleMode
    ) -> None:
        self.dim = backbone.dim
        self.crops = sample_mode.crops
        self.backbone = backbone
        self.normalization = normalization
        self.sample_mode = sample_mode
        self.model: I3DResNet50 = backbone.plain(weights)  # type: ignore[assignment]
        self.dtype = torch.float32

    def prepare(self, device: torch.device, precision: str) -> None:
        """See `Network`."""
        spec = PRECISIONS[precision]
        self.dtype = getattr(torch, spec.dtype)
        self.model.to(device, self.dtype).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if device.type == "cpu":
            fused_cpu.fuse(self.model, self.dtype, spec.tolerance)
        else:
            fused_cuda.fuse(self.model, spec.tolerance)

    def features(self, frames: Tensor) -> Tensor:
        """See `Network`."""
        values = self.backbone.normalised(frames.permute(0, 4, 1, 2, 3).float(), self.normalization).to(self.dtype)
        stems = stem_of_crops(self.model, values, self.sample_mode)
        at_once = CROPS_ON_A_CPU if frames.device.type == "cpu" else len(stems)
        features = torch.cat([self.model.trunk(part) for part in stems.split(at_once)])
        return features.view(len(frames), self.crops, -1)
