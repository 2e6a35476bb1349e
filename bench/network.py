"""The network at each precision, ten crops, against the plain one, and as a share of the measured peak."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.baseline import plain_model
from bench.measuring import Row, median, row
from i3d.backbones import backbone
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.engine import DTYPES, Engine, choose_device
from i3d.selfcheck.numerics import why_left_out
from i3d.settings import NumericSettings
from i3d.specs import FIVE_CROPS, SAMPLE_MODES


def network(repeats: int) -> Iterator[Row]:
    """A row for each precision that this device computes in sensible time."""
    device = choose_device("auto")
    torch.backends.cudnn.allow_tf32 = False  # the plain network is fp32 on a GPU too
    weights = backbone("i3d_r50").random_weights()
    count = 2 if device.type == "cpu" else 40
    generator = torch.Generator().manual_seed(0)
    snippets = torch.randint(0, 256, (count, 16, *FRAME_SHAPE), dtype=torch.uint8, generator=generator)
    plain = plain_model().to(device)
    flops = flops_of_a_crop(plain) * SAMPLE_MODES["oversample"].crops
    work = backbone("i3d_r50").snippet_tflop("oversample", 16) * 1e12  # less, for the crops share the first convolution
    reference: list[np.ndarray] = []

    def plainly() -> None:
        reference[:] = [plain_features(plain, snippets, device)]

    base = median(plainly, repeats)
    yield row(
        "network, plain, fp32, one crop at a time",
        base,
        count,
        "snippets",
        share(base, flops * count, peak("fp32", device, repeats)),
    )
    for precision in DTYPES:
        if why_left_out(precision, device):
            continue
        engine = Engine(NumericSettings(precision=precision), weights, device, batch_size=20)
        features: list[np.ndarray] = []
        batches = []  # in memory that a GPU can copy from while it computes
        for part in snippets.split(20):
            batches.append(engine.buffer(len(part), 16))
            batches[-1].copy_(part)

        def compute(
            engine: Engine = engine, features: list[np.ndarray] = features, batches: list[torch.Tensor] = batches
        ) -> None:
            pending = [engine.launch(batch) for batch in batches]
            features[:] = [each.collect() for each in pending]

        seconds = median(compute, repeats)
        error = np.linalg.norm(np.concatenate(features) - reference[0]) / np.linalg.norm(reference[0])
        reached = share(seconds, work * count, peak(precision, device, repeats))
        note = f"{base / seconds:.2f} x plain, error {error:.0e}, {reached}"
        yield row(f"network, {precision}", seconds, count, "snippets", note)


def peak(precision: str, device: torch.device, repeats: int) -> float:
    """Operations per second of a large matrix product in this precision, here and now."""
    size = 8192 if device.type == "cuda" else 3072
    matrix = torch.randn(size, size, device=device, dtype=DTYPES[precision])
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"

    def multiply() -> None:
        matrix @ matrix
        if device.type == "cuda":
            torch.cuda.synchronize()

    return 2 * size**3 / median(multiply, repeats)


def plain_features(model: torch.nn.Module, snippets: torch.Tensor, device: torch.device) -> np.ndarray:
    """Ten-crop features by the plain network, one crop at a time: float32 (B, 10, 2048)."""
    frames = backbone("i3d_r50").normalised(snippets.float(), "inception").permute(0, 4, 1, 2, 3).to(device)
    rows = []
    with torch.no_grad():
        for side in (frames, frames.flip(-1)):
            for top, left in FIVE_CROPS:
                rows.append(model(side[..., top : top + 224, left : left + 224].contiguous()).cpu().numpy())
    return np.stack(rows, 1)


def flops_of_a_crop(model: torch.nn.Module) -> int:
    """Floating-point operations of the plain network on one crop of one snippet, a multiply-add counted as two."""
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 16, 224, 224, device=device))
    return counter.get_total_flops()


def share(seconds: float, flops: float, peak: float) -> str:
    """How much of the measured peak a computation reached."""
    return f"{flops / seconds / 1e9:,.0f} GFLOP/s, {flops / seconds / peak:.0%} of a matrix product's"
