"""The engine: snippets of resized frames in, features out, on a GPU or a CPU.

Frames travel to the device as uint8 and are cropped, mirrored and normalised there. On a GPU the copy of one batch
overlaps the computation of the one before.
"""

import ctypes
import logging
import platform
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from i3d.errors import UserError
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.crops import normalise, stem_of_crops
from i3d.network.fused_cpu import fuse
from i3d.network.model import FEATURE_DIM, I3DResNet50
from i3d.network.specs import PRECISIONS, SAMPLE_MODES

log = logging.getLogger(__name__)

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, spec.dtype) for name, spec in PRECISIONS.items()}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h
CPU_BATCH = 1  # snippets per pass on a CPU, which gains nothing from more


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cuda` or `cpu`. Raises UserError when a GPU is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError(
            "device: cuda is set, but torch sees no GPU here; set device: auto, or ask for a GPU in the profile"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """What the tables call the device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def keep_freed_memory() -> None:
    """Make the C library reuse memory instead of giving it back to the system.

    On a CPU each layer's output is so large that it is mapped, filled with zeros by the kernel and unmapped anew each
    time, which costs a third of the network's time. Only glibc has the switch.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@dataclass
class Pending:
    """A batch on its way: `features` is valid once `ready` (a CUDA event) has come."""

    features: Tensor
    ready: torch.cuda.Event | None

    def collect(self) -> np.ndarray:
        """Wait for the features, float32 (B, crops, 2048)."""
        if self.ready is not None:
            self.ready.synchronize()
        return self.features.numpy()


class Engine:
    """Computes the features of batches of snippets.

    `model` comes from `build_model`; `batch_size` is the most snippets per forward pass, halved whenever the GPU's
    memory does not suffice.
    """

    def __init__(
        self,
        model: I3DResNet50,
        device: torch.device,
        *,
        normalization: str,
        sample_mode: str,
        precision: str,
        batch_size: int,
    ) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True  # all batches but the last have one shape
        if device.type == "cpu":
            keep_freed_memory()
        self.device = device
        self.dtype = DTYPES[precision]
        self.normalization = normalization
        self.sample_mode = sample_mode
        self.crops = SAMPLE_MODES[sample_mode].crops
        self.batch_size = batch_size if device.type == "cuda" else min(batch_size, CPU_BATCH)
        self.crops_per_pass = 5 if device.type == "cpu" else self.batch_size * self.crops
        self.model = model.to(device, self.dtype)
        self.model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if device.type == "cpu":
            fuse(self.model, self.dtype)
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def buffer(self, snippets: int, clip_length: int) -> Tensor:
        """Host memory for a batch of snippets, uint8 (B, T, 256, 340, 3), page-locked for a GPU."""
        return torch.empty(
            (snippets, clip_length, *FRAME_SHAPE), dtype=torch.uint8, pin_memory=self._copies is not None
        )

    @torch.inference_mode()
    def launch(self, snippets: Tensor) -> Pending:
        """Start on a batch, uint8 (B, T, 256, 340, 3); leave it untouched until `collect` returns."""
        if self._copies is None:
            return Pending(self._features(snippets), None)
        with torch.cuda.stream(self._copies):
            on_device = snippets.to(self.device, non_blocking=True)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_stream(self._copies)
        on_device.record_stream(compute)
        features = self._features(on_device)
        on_host = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
        on_host.copy_(features, non_blocking=True)
        return Pending(on_host, compute.record_event())

    def _features(self, snippets: Tensor) -> Tensor:
        parts = []
        start = 0
        while start < len(snippets):
            with suppress(torch.cuda.OutOfMemoryError):
                parts.append(self._forward(snippets[start : start + self.batch_size]))
                start += self.batch_size
                continue
            self._halve_batch()  # here, where no exception holds the tensors of the pass that failed any more
        return torch.cat(parts)

    def _halve_batch(self) -> None:
        if self.batch_size == 1:
            raise UserError("the GPU's memory does not hold one snippet; ask for a larger slice or another precision")
        self.batch_size //= 2
        torch.cuda.empty_cache()
        log.warning("the GPU's memory is short: going on with batches of %d snippets", self.batch_size)

    def _forward(self, snippets: Tensor) -> Tensor:
        """uint8 (B, T, 256, 340, 3) to float32 (B, crops, 2048)."""
        frames = normalise(snippets.permute(0, 4, 1, 2, 3).float(), self.normalization).to(self.dtype)
        stems = stem_of_crops(self.model, frames, self.sample_mode)
        features = torch.cat([self.model.trunk(part) for part in stems.split(self.crops_per_pass)])
        return features.float().view(len(snippets), self.crops, FEATURE_DIM)
