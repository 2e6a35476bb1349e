"""The way from the frame stream to a full batch, without a network."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from bench.measuring import Row, cpu_seconds_of, in_turn
from i3d.frame_stream import BLOCK_FRAMES, FRAME_SHAPE, Frames, StreamWriter, read_stream
from i3d.network.engine import Pending
from i3d.network.extraction import Cutter
from i3d.settings import NumericSettings

HEAD = (
    "snippets",
    "the bytes read, no more",
    "copied twice, as in 0.1.0",
    "straight into the batch",
    "ratio of these two",
)
BLOCKS = 20


class NoNetwork:
    """An engine that computes nothing: what the decoders, the pipe and the reader give at most."""

    dim, crops, batch_size = 2048, 10, 20

    def buffer(self, snippets: int, clip_length: int) -> torch.Tensor:
        """As the engine's."""
        shape = (snippets, clip_length, *FRAME_SHAPE)
        return torch.empty(shape, dtype=torch.uint8, pin_memory=torch.cuda.is_available())

    def launch(self, snippets: torch.Tensor) -> Pending:
        """Zeros."""
        return Pending(torch.zeros(len(snippets), self.crops, self.dim), None)


def reading(repeats: int) -> Iterator[Row]:
    """CPU time per frame from a frame stream to a batch, beside two copies more and beside reading the bytes alone."""
    rule, frames = NumericSettings().rule, BLOCKS * BLOCK_FRAMES
    block = np.ones((BLOCK_FRAMES, *FRAME_SHAPE), np.uint8)  # ones: memory that was used before, as in a long run
    snippet, batch = (np.ones((rule.clip_length, *FRAME_SHAPE), np.uint8) for _ in range(2))
    with tempfile.TemporaryDirectory() as name:
        stream = Path(name) / "frames"
        with stream.open("wb", buffering=0) as file:
            writer = StreamWriter(file)
            for _ in range(BLOCKS):
                writer.frames(0, block)
            writer.close()

        def plainly() -> None:
            with stream.open("rb", buffering=0) as file:
                while file.readinto(block.data.cast("B")):
                    pass

        def copied() -> None:
            with stream.open("rb", buffering=0) as file:
                for message in read_stream(file):
                    assert isinstance(message, Frames)
                    message.take(block)
                    for part in block.reshape(-1, *snippet.shape):
                        snippet[:] = part
                        batch[:] = snippet

        def straight() -> None:
            cutter = Cutter(rule.clip_length, rule.frequency)
            with stream.open("rb", buffering=0) as file:
                for message in read_stream(file):
                    assert isinstance(message, Frames)
                    while message.count:
                        cutter.fill(batch, message)

        ways = {"plainly": plainly, "copied": copied, "straight": straight}
        times = {way: 1e6 * value / frames for way, value in in_turn(ways, repeats, cpu_seconds_of).items()}
    yield (
        f"{rule.clip_length} of {rule.frequency} frames",
        *(f"{value:.0f} us" for value in times.values()),
        f"{times['straight'] / times['copied']:.2f}",
    )
