"""The engine: computes features of snippets of resized frames on a GPU or a CPU.

Frames are copied to the device as uint8, then cropped, mirrored and normalised there. On a GPU, copying a batch
overlaps with computing the previous one.
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
MUCH_MEMORY = 0.5  # share of a GPU's memory: more than any kernel's workspace
CPU_BATCH = 1  # snippets per pass on a CPU: more are not faster
# Errors of CUDA's libraries when memory is short, besides torch's OutOfMemoryError: cuDNN finds no kernel whose
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
    """Choose the device for `auto`, `cuda` or `cpu`. Raises UserError if `cuda` is set and torch sees no GPU."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError(
            f"device: cuda is set, but torch sees no GPU here ({_why_no_gpu()}); ask for a GPU in the profile, or set "
            "'device: cpu'"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def recorded_name(device: torch.device) -> str:
    """The device's name in the tables."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _why_no_gpu() -> str:
    """Provoke torch's own reason: no driver, an old driver or no device."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "no device"


@dataclass
class Pending:
    """A batch being computed: `features` is valid once the CUDA event `ready`, if any, has happened."""

    features: Tensor
    ready: torch.cuda.Event | None

    def collect(self) -> np.ndarray:
        """Wait for the features and return them, float32 (B, crops, dim)."""
        if self.ready is not None:
            self.ready.synchronize()
        return self.features.numpy()


class Engine:
    """Computes the features of batches of snippets with the network named in `settings`.

    `weights` are as its backbone expects. `batch_size` limits the snippets per forward pass; it is halved whenever the
    GPU runs out of memory.
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
        self.one_shape = device.type == "cuda"  # pad partial batches, because cuDNN tunes itself for each new shape
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def buffer(self, snippets: int, clip_length: int) -> Tensor:
        """Allocate host memory for a batch of snippets, uint8 (B, T, 256, 340, 3), page-locked for a GPU."""
        shape = (snippets, clip_length, *FRAME_SHAPE)
        return torch.empty(shape, dtype=torch.uint8, pin_memory=self._copies is not None)

    @torch.inference_mode()
    def launch(self, snippets: Tensor) -> Pending:
        """Start computing a batch, uint8 (B, T, 256, 340, 3), which must not change until `collect` returns.

        Raises UserError if the GPU's memory is too small for one snippet.
        """
        features = self._features(snippets)
        if self._copies is None:
            return Pending(features, None)
        on_host = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
        on_host.copy_(features, non_blocking=True)
        ready = torch.cuda.Event(blocking=True)  # wait without occupying a CPU core
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
            self._halve_batch(reason)  # outside `except`, where the exception no longer holds the failed pass's tensors
        return torch.cat(parts)

    def _to_device(self, part: Tensor) -> Tensor:
        """Copy at most `batch_size` snippets to the device; computing waits for the copy."""
        if self._copies is None:
            return self._padded(part)
        with torch.cuda.stream(self._copies):
            on_device = self._padded(part)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_stream(self._copies)
        on_device.record_stream(compute)
        return on_device

    def _padded(self, part: Tensor) -> Tensor:
        """Copy `part` to the device, padded with black snippets to `batch_size`; without `one_shape`, return it."""
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
        log.warning("the GPU's memory is short: continuing with batches of %d snippets", self.batch_size)

    def _forward(self, snippets: Tensor) -> Tensor:
        """Map snippets, uint8 (B, T, 256, 340, 3), to features, float32 (B, crops, dim)."""
        return self.network.features(snippets)


def is_short_of_memory(error: RuntimeError, free: float) -> bool:
    """Whether a computation probably failed for lack of GPU memory; `free` is the share that was free.

    With much memory free, a library's error has another cause, which a smaller batch would not remove.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error):
        return True
    return free < MUCH_MEMORY and any(text in str(error) for text in SHORT_OF_MEMORY)


def free_share(device: torch.device) -> float:
    """The share of a GPU's memory that this process can still allocate; 0 for a CPU."""
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    return (free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) / total
