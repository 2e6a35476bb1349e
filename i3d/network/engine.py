"""The engine: snippets of resized frames in, features out, on a GPU or a CPU.

Frames travel to the device as uint8 and are cropped, mirrored and normalised there. On a GPU the copy of one batch
overlaps the computation of the one before.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from i3d import process
from i3d.backbones import backbone
from i3d.errors import UserError
from i3d.frame_stream import FRAME_SHAPE
from i3d.settings import NumericSettings
from i3d.specs import PRECISIONS

log = logging.getLogger(__name__)

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, spec.dtype) for name, spec in PRECISIONS.items()}
MUCH_MEMORY = 0.5  # share of a GPU's memory: more than any kernel's workspace takes
CPU_BATCH = 1  # snippets per pass on a CPU, which gains nothing from more
# What CUDA's libraries say, beside torch's OutOfMemoryError, when memory is short: cuDNN finds no kernel whose
# workspace fits, or fails within one (pytorch issues 108645, 81620).
SHORT_OF_MEMORY = (
    "unable to find an engine",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_SUPPORTED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cuda` or `cpu`. Raises UserError when a GPU is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError(
            f"device: cuda is set, but torch sees no GPU here ({_why_no_gpu()}); ask for a GPU in the profile, or set "
            "'device: cpu'"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """What the tables call the device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _why_no_gpu() -> str:
    """What torch says when it is made to use a GPU that it does not see: no driver, one too old, no device."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "no device"


@dataclass
class Pending:
    """A batch on its way: `features` is valid once `ready` (a CUDA event) has come."""

    features: Tensor
    ready: torch.cuda.Event | None

    def collect(self) -> np.ndarray:
        """Wait for the features, float32 (B, crops, dim)."""
        if self.ready is not None:
            self.ready.synchronize()
        return self.features.numpy()


class Engine:
    """Computes the features of batches of snippets.

    `settings` say by which network and how, `weights` are what its backbone expects; `batch_size` is the most snippets
    per forward pass, halved whenever the GPU's memory does not suffice.
    """

    def __init__(
        self, settings: NumericSettings, weights: Mapping[str, Tensor], device: torch.device, *, batch_size: int
    ) -> None:
        precision = settings.precision
        process.tune_torch(tf32=precision == "tf32")
        if device.type == "cpu":
            process.keep_freed_memory()
        self.device = device
        self.batch_size = batch_size if device.type == "cuda" else min(batch_size, CPU_BATCH)
        self.network = backbone(settings.model).network(
            weights, normalization=settings.normalization, sample_mode=settings.sample_mode
        )
        self.network.prepare(device, precision)
        self.dim, self.crops = self.network.dim, self.network.crops
        self.one_shape = device.type == "cuda"  # pad a batch that is not full: cuDNN tunes itself anew for each shape
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def buffer(self, snippets: int, clip_length: int) -> Tensor:
        """Host memory for a batch of snippets, uint8 (B, T, 256, 340, 3), page-locked for a GPU."""
        return torch.empty(
            (snippets, clip_length, *FRAME_SHAPE), dtype=torch.uint8, pin_memory=self._copies is not None
        )

    @torch.inference_mode()
    def launch(self, snippets: Tensor) -> Pending:
        """Start on a batch, uint8 (B, T, 256, 340, 3); leave it untouched until `collect` returns.

        Raises UserError when the GPU's memory does not suffice for one snippet.
        """
        features = self._features(snippets)
        if self._copies is None:
            return Pending(features, None)
        on_host = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
        on_host.copy_(features, non_blocking=True)
        ready = torch.cuda.Event(blocking=True)  # waiting for it leaves the CPU to others
        return Pending(on_host, torch.cuda.current_stream(self.device).record_event(ready))

    def _features(self, snippets: Tensor) -> Tensor:
        parts = []
        start = 0
        while start < len(snippets):
            part = snippets[start : start + self.batch_size]
            try:
                parts.append(self._forward(self._to_device(part))[: len(part)])
            except RuntimeError as error:
                if not is_short_of_memory(error, free_share(self.device)):
                    raise
                reason = str(error)
            else:
                start += len(part)
                continue
            self._halve_batch(reason)  # here, where no exception holds the tensors of the pass that failed any more
        return torch.cat(parts)

    def _to_device(self, part: Tensor) -> Tensor:
        """At most `batch_size` snippets on the device, where computing them may begin."""
        if self._copies is None:
            return self._padded(part)
        with torch.cuda.stream(self._copies):
            on_device = self._padded(part)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_stream(self._copies)
        on_device.record_stream(compute)
        return on_device

    def _padded(self, part: Tensor) -> Tensor:
        """A copy on the device, filled up with black snippets to `batch_size`; `part` itself without `one_shape`."""
        if not self.one_shape:
            return part
        padded = torch.empty((self.batch_size, *part.shape[1:]), dtype=part.dtype, device=self.device)
        padded[: len(part)].copy_(part, non_blocking=True)
        padded[len(part) :].zero_()
        return padded

    def _halve_batch(self, reason: str) -> None:
        if self.batch_size == 1:
            raise UserError(
                f"the GPU's memory does not hold one snippet ({reason.splitlines()[0]}); ask for a larger slice or set "
                "another precision"
            )
        self.batch_size //= 2
        torch.cuda.empty_cache()
        log.warning("the GPU's memory is short: going on with batches of %d snippets", self.batch_size)

    def _forward(self, snippets: Tensor) -> Tensor:
        """uint8 (B, T, 256, 340, 3) to float32 (B, crops, dim)."""
        return self.network.features(snippets)


def is_short_of_memory(error: RuntimeError, free: float) -> bool:
    """Whether the GPU's memory is, or may well be, why a computation failed when that share of it was free.

    With much memory free, a library's error has another cause, which no smaller batch removes.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error):
        return True
    return free < MUCH_MEMORY and any(text in str(error) for text in SHORT_OF_MEMORY)


def free_share(device: torch.device) -> float:
    """The share of a GPU's memory that this process may still take; 0 for a CPU."""
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    return (free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) / total
