"""A few of the user's videos that stand for all: one or two of each size and codec, the frequent kinds first.

`python -m i3d.selfcheck.samples` is the worker that looks into files, which may be hostile.
"""

import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from i3d.decoding.workers import Channel, Crew, Worker

WORKER_MODULE = "i3d.selfcheck.samples"
LOOKED_AT = 200  # videos, chosen at random, whose headers are read
OF_A_KIND = 3  # videos of one kind that are kept
MEMORY_MB, STALL_SECONDS = 1024, 20.0


@dataclass(frozen=True)
class Sample:
    """A video as its header describes it; sizes in pixels, `codec` by FFmpeg's name."""

    path: Path
    width: int
    height: int
    codec: str
    frames: int | None

    @property
    def kind(self) -> tuple[int, int, str]:
        return self.width, self.height, self.codec

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.codec}"


def choose(paths: list[Path], kinds: int, seed: int = 0) -> list[list[Sample]]:
    """Samples of the `kinds` most frequent sizes and codecs, each a list of OF_A_KIND or fewer, all readable.

    The same tree gives the same samples.
    """
    chosen = random.Random(seed).sample(sorted(paths), min(LOOKED_AT, len(paths)))
    by_kind: dict[tuple[int, int, str], list[Sample]] = defaultdict(list)
    for sample in look_at(chosen):
        by_kind[sample.kind].append(sample)
    frequent = sorted(by_kind.values(), key=lambda group: (-len(group), str(group[0])))
    return [sorted(group, key=lambda sample: str(sample.path))[:OF_A_KIND] for group in frequent[:kinds]]


def look_at(paths: list[Path], module: str = WORKER_MODULE) -> Iterator[Sample]:
    """Describe the videos, as they come; those that cannot be opened, or break the worker, are left out."""
    waiting = iter(paths)
    with Crew[Path](lambda: Worker(module, memory_mb=MEMORY_MB, stall_seconds=STALL_SECONDS)) as crew:
        while True:
            for path in islice(waiting, 1 - len(crew.busy)):
                crew.give(path, {"path": os.fspath(path.absolute())})
            if not crew.busy:
                return
            for worker, path, event in crew.events():
                if isinstance(event, str):
                    continue
                crew.done(worker)
                if event:
                    yield Sample(path, **event)


def describe(path: Path) -> dict[str, Any]:
    """Size, codec and declared frames by the header; empty if there is no video in the file."""
    from i3d.decoding.video_file import UnreadableError, Video  # in the worker alone

    try:
        video = Video(path)
    except (UnreadableError, OSError, MemoryError):
        return {}
    stream = video.stream
    if not stream.width or not stream.height:
        return {}
    return {
        "width": stream.width,
        "height": stream.height,
        "codec": stream.codec_context.name,
        "frames": video.declared,
    }


def main() -> None:
    """Serve the parent until it is gone."""
    channel = Channel(sys.argv[1:])
    while True:
        channel.send(describe(Path(channel.receive()["path"])))


if __name__ == "__main__":
    main()
