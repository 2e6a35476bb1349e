"""The way from the frame stream to a full batch, without a network."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch

from bench.measuring import Row, cpu_seconds_of, in_turn
from i3d.frame_stream import BLOCK_FRAMES, FRAME_SHAPE, StreamWriter
from i3d.network.engine import Engine, Pending
from i3d.network.extraction import Extraction
from i3d.records.bundles import BundleEntry
from i3d.settings import NumericSettings

HEAD = ("snippets", "the bytes read, no more", "into batches", "ratio")
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
    """CPU time per frame from a frame stream to full batches, beside reading its bytes and no more."""
    engine, settings, frames = NoNetwork(), NumericSettings(), BLOCKS * BLOCK_FRAMES
    engine.batch_size = 2  # little memory, so that its first use does not count
    torch.set_num_threads(1)
    entry = BundleEntry(video="made up.mp4", path=os.devnull, feature="made up.npy", digest="", frames=frames)
    with tempfile.TemporaryDirectory() as name:
        stream = Path(name) / "frames"
        with stream.open("wb", buffering=0) as file:
            writer = StreamWriter(file)
            writer.begin(0, {"decoding": settings.decoding})
            for _ in range(BLOCKS):
                writer.frames(0, np.zeros((BLOCK_FRAMES, *FRAME_SHAPE), np.uint8))
            writer.end(0, {"status": "ok", "frames_decoded": frames})
            writer.close()

        def plainly() -> None:
            block = np.empty((BLOCK_FRAMES, *FRAME_SHAPE), np.uint8)
            with stream.open("rb", buffering=0) as file:
                while file.readinto(block.data.cast("B")):
                    pass

        def read() -> None:
            with stream.open("rb", buffering=0) as file:
                list(Extraction(cast(Engine, engine), [entry], Path(name), settings, {}).run(file))

        seconds = in_turn({"plainly": plainly, "read": read}, repeats, cpu_seconds_of)
    floor, found = (1e6 * seconds[way] / frames for way in ("plainly", "read"))
    yield (
        f"{settings.clip_length} of {settings.frequency} frames",
        f"{floor:.0f} us",
        f"{found:.0f} us",
        f"{found / floor:.1f}",
    )
