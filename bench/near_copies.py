"""Measure how similar copies and unrelated videos are, and what the report's near-copy rule makes of them.

    python -m bench.near_copies --clips FOLDER --features FOLDER2 --output docs/near-copies.md \\
        --weights resources/i3d_r50_kinetics.pth

Each clip in FOLDER is cut into scenes of one snippet; each scene is also mirrored, cropped, brightened, re-encoded and
so on with the ffmpeg program. The features are kept in FOLDER2, a file per clip, so that the tables are quickly made
anew.
"""

import argparse
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

from i3d.backbones import backbone
from i3d.decoding.pictures import rgb_frames
from i3d.decoding.resize import resize
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.engine import Engine, choose_device
from i3d.network.weights import load_state_dict
from i3d.records.record import OK, Row
from i3d.report.near_copies import NEAR_COPY
from i3d.report.statistics import Statistics, neighbours
from i3d.settings import NumericSettings
from tests.support import reference_inputs

CLIP_LENGTH = 16
SHIFT = 8  # frames by which the trimmed copy begins later
PLAIN = ("-crf", "18")
COPIES: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> (ffmpeg filters, encoder options)
    "mirrored": ("hflip", PLAIN),
    "cropped to 90 %": ("crop=iw*0.9:ih*0.9", PLAIN),
    "cropped to 80 %": ("crop=iw*0.8:ih*0.8", PLAIN),
    "cropped to 70 %, a corner": ("crop=iw*0.7:ih*0.7:0:0", PLAIN),
    "slightly brighter": ("eq=brightness=0.08", PLAIN),
    "brighter": ("eq=brightness=0.2", PLAIN),
    "darker": ("eq=brightness=-0.2", PLAIN),
    "more contrast": ("eq=contrast=1.4", PLAIN),
    "grey": ("hue=s=0", PLAIN),
    "re-encoded, CRF 28": ("null", ("-crf", "28")),
    "re-encoded, CRF 40": ("null", ("-crf", "40")),
    "half the size, CRF 32": ("scale=trunc(iw/4)*2:trunc(ih/4)*2", ("-crf", "32")),
    "mirrored, cropped to 90 %, brighter": ("hflip,crop=iw*0.9:ih*0.9,eq=brightness=0.08", PLAIN),
}
TRIMMED = f"begun {SHIFT} frames later"
ORIGINAL = "original"
TREES = 8  # drawn per number of clips
BEGIN, END = "<!-- near_copies:begin -->", "<!-- near_copies:end -->"


def scenes(path: Path, most: int) -> list[tuple[int, np.ndarray]]:
    """At most `most` scenes evenly spread over the clip: first frame, and uint8 (CLIP_LENGTH + SHIFT, h, w, 3)."""
    length = CLIP_LENGTH + SHIFT
    total = sum(1 for _ in rgb_frames(path))
    count = max(1, min(most, total // length))
    starts = np.linspace(0, total - length, count).astype(int)
    found, frames = [], enumerate(rgb_frames(path))
    for start in starts:
        taken = [frame for place, frame in islice(frames, length + start) if place >= start][:length]
        found.append((int(start), np.stack(taken)))
        frames = enumerate(rgb_frames(path))
    return found


def encode(frames: np.ndarray, filters: str, options: tuple[str, ...], path: Path) -> None:
    """Write frames through ffmpeg's filters as H.264."""
    height, width = frames.shape[1:3]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", "25", "-i", "-", "-vf", f"{filters},scale=trunc(iw/2)*2:trunc(ih/2)*2"]
    command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", *options, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


def snippet(frames: np.ndarray | Iterator[np.ndarray]) -> np.ndarray:
    """The first CLIP_LENGTH frames as the network sees them, uint8 (CLIP_LENGTH, 256, 340, 3)."""
    found = np.stack([resize(frame) for frame in islice(frames, CLIP_LENGTH)])
    assert found.shape == (CLIP_LENGTH, *FRAME_SHAPE)
    return found


def row_of(split: str, name: str) -> Row:
    """A row of the table that says no more than the split."""
    empty = dict.fromkeys((field.name for field in fields(Row)), None)
    return Row(**empty | {"video": f"{split}/{name}", "split": split, "status": OK})  # type: ignore[arg-type]


def engine_of(weights: str) -> Engine:
    """The network with `weights`, a file, or `reference` for the tests' untrained ones."""
    network = backbone("i3d_r50")
    if weights == "reference":
        arrays = reference_inputs.state_dict(network.expected_shapes())
        state = {name: torch.from_numpy(value) for name, value in arrays.items()}
    else:
        state = load_state_dict(Path(weights), network)
    return Engine(NumericSettings(precision="bf16"), state, choose_device("auto"), batch_size=1)


def extract(clip: Path, engine: Engine, most: int, folder: Path) -> dict[str, np.ndarray]:
    """Features float32 (10, 2048) of a clip's scenes and their copies, by `clip@frame|copy`."""
    found = {}
    copy = folder / "copy.mp4"
    for start, frames in scenes(clip, most):
        snippets = {ORIGINAL: snippet(iter(frames)), TRIMMED: snippet(iter(frames[SHIFT:]))}
        for name, (filters, options) in COPIES.items():
            encode(frames[:CLIP_LENGTH], filters, options, copy)
            snippets[name] = snippet(rgb_frames(copy))
        for name, pixels in snippets.items():
            found[f"{clip.name}@{start}|{name}"] = engine.launch(torch.from_numpy(pixels[None])).collect()[0]
    copy.unlink()
    return found


class Scenes:
    """The pooled features of all scenes and copies: float32 (scenes, 2048) by kind of copy."""

    def __init__(self, features: dict[str, np.ndarray], crops: slice) -> None:
        kinds = [ORIGINAL, TRIMMED, *COPIES]
        names = sorted({key.partition("|")[0] for key in features})
        self.names = [name for name in names if all(f"{name}|{kind}" in features for kind in kinds)]
        self.clips = np.array([name.rpartition("@")[0] for name in self.names])
        self.pooled = {
            kind: np.stack([features[f"{name}|{kind}"][crops].mean(axis=0) for name in self.names]) for kind in kinds
        }

    def nearest(self, asked: np.ndarray, others: np.ndarray, kind: str = ORIGINAL) -> np.ndarray:
        """What the report says of the scenes at `asked` in a test split, with those at `others` for training."""
        rows = [row_of("test", self.names[place]) for place in asked]
        rows += [row_of("train", self.names[place]) for place in others]
        pooled = np.concatenate([self.pooled[kind][asked], self.pooled[ORIGINAL][others]])
        pairs = neighbours(Statistics(rows, pooled, np.zeros(len(rows))))
        return np.array([pair.similarity for pair in pairs])

    def unrelated(self, places: np.ndarray) -> np.ndarray:
        """Each scene against those of the other clips."""
        found = []
        for clip in set(self.clips[places]):
            own = self.clips[places] == clip
            found.append(self.nearest(places[own], places[~own]))
        return np.concatenate(found)

    def same_clip(self) -> np.ndarray:
        """Each scene against all others, those of its own clip among them."""
        places = np.arange(len(self.names))
        return np.concatenate(
            [
                self.nearest(places[[place]], np.delete(places, place))
                for place in places
                if (self.clips == self.clips[place]).sum() > 1
            ]
        )


def tables(scenes: dict[str, Scenes]) -> str:
    """The measurements as Markdown."""
    lines = [
        "| nearest video of the other splits | " + " | ".join(scenes) + " |",
        "|---|" + "---|" * len(scenes),
    ]
    places = np.arange(len(next(iter(scenes.values())).names))

    def line(name: str, values: list[np.ndarray]) -> str:
        return f"| {name} | " + " | ".join(summary(each) for each in values) + " |"

    lines.append(line("of another clip", [each.unrelated(places) for each in scenes.values()]))
    lines.append(line("another scene of the same clip", [each.same_clip() for each in scenes.values()]))
    for kind in (TRIMMED, *COPIES):
        lines.append(line(kind, [each.nearest(places, places, kind) for each in scenes.values()]))
    lines += ["", "| scenes | unrelated: largest similarity, ten crops |", "|---|---|"]
    crops = next(iter(scenes.values()))
    generator = np.random.default_rng(0)
    clips = sorted(set(crops.clips))
    for count in range(4, len(clips) + 1, 2):
        largest, sizes = [], []
        for _ in range(TREES):
            chosen = np.isin(crops.clips, generator.choice(clips, count, replace=False))
            sizes.append(chosen.sum())
            largest.append(crops.unrelated(np.flatnonzero(chosen)).max())
        lines.append(
            f"| {np.mean(sizes):.0f}, of {count} clips | {np.median(largest):.2f}, at most {max(largest):.2f} |"
        )
    return "\n".join(lines)


def summary(similarity: np.ndarray) -> str:
    """Median, the tenth below and above which little lies, and the share that counts as a near copy."""
    low, middle, high = np.quantile(similarity, (0.1, 0.5, 0.9))
    return f"{middle:.2f} ({low:.2f} to {high:.2f}), {np.mean(similarity >= NEAR_COPY):.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of unrelated video clips")
    parser.add_argument("--weights", default="reference", help="weights file; default: the tests' untrained ones")
    parser.add_argument("--scenes", type=int, default=6, help="scenes of a clip at most")
    parser.add_argument("--features", type=Path, required=True, help="folder for features; those in it are taken")
    parser.add_argument("--output", type=Path, required=True, help="page to put the tables in, between its marks")
    args = parser.parse_args()
    args.features.mkdir(parents=True, exist_ok=True)
    engine, features = None, {}
    for clip in sorted(path for path in args.clips.iterdir() if path.is_file()):
        kept = args.features / f"{clip.name}.npz"
        if not kept.exists():
            engine = engine or engine_of(args.weights)
            np.savez(kept, **extract(clip, engine, args.scenes, args.features))
        features.update(np.load(kept))
    found = {"ten crops": Scenes(features, slice(None)), "centre crop": Scenes(features, slice(2, 3))}
    clips, count = len(set(found["ten crops"].clips)), len(found["ten crops"].names)
    text = f"{count} scenes of {clips} clips, weights: {args.weights}.\n\n{tables(found)}\n"
    before, rest = args.output.read_text().split(BEGIN)
    _, after = rest.split(END)
    args.output.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    print(text)


if __name__ == "__main__":
    main()
