"""A few of the user's videos that stand for all: some of each size and codec, the frequent kinds first."""

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from i3d.decoding.probe import probe_many

LOOKED_AT = 200  # videos, chosen at random, whose headers are read
OF_A_KIND = 3  # videos of one kind that are kept


@dataclass(frozen=True)
class Sample:
    """A video as its header describes it; sizes in pixels, `codec` by FFmpeg's name."""

    path: Path
    width: int
    height: int
    codec: str

    @property
    def kind(self) -> tuple[int, int, str]:
        return self.width, self.height, self.codec

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.codec}"


def choose(paths: list[Path], kinds: int, *, clip_length: int, processes: int, seed: int = 0) -> list[list[Sample]]:
    """Samples of the `kinds` most frequent sizes and codecs, each a list of OF_A_KIND or fewer.

    Videos that cannot be read or are too short for a snippet are left out. The same tree gives the same samples.
    """
    chosen = random.Random(seed).sample(sorted(paths), min(LOOKED_AT, len(paths)))
    by_kind: dict[tuple[int, int, str], list[Sample]] = defaultdict(list)
    for path, probe in probe_many(chosen, clip_length=clip_length, processes=processes):
        if probe.width and probe.height and probe.codec and (probe.frames or 0) > clip_length:
            sample = Sample(path, probe.width, probe.height, probe.codec)
            by_kind[sample.kind].append(sample)
    frequent = sorted(by_kind.values(), key=lambda group: (-len(group), str(group[0])))
    return [sorted(group, key=lambda sample: str(sample.path))[:OF_A_KIND] for group in frequent[:kinds]]
