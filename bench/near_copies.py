"""Measure how similar copies and unrelated videos are, and what the report's near-copy rule makes of them.

    python -m bench.near_copies --clips FOLDER --weights resources/i3d_r50_kinetics.pth --output docs/near-copies.md

Each clip in FOLDER is cut into scenes of one snippet; each scene is also mirrored, cropped, brightened, re-encoded and
so on with the ffmpeg program. The features, ten crops, are kept beside the table, so that it is quickly made anew.
"""

import argparse
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

from i3d.decoding.damage import Faults
from i3d.decoding.pictures import Picture
from i3d.decoding.resize import resize
from i3d.decoding.video_file import Video
from i3d.frame_stream import FRAME_SHAPE
from i3d.network.engine import Engine, choose_device
from i3d.network.model import build_model, expected_shapes
from i3d.network.weights import load_state_dict
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


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """Every decoded frame as uint8 (height, width, 3)."""
    picture = Picture()
    yield from (picture(frame) for frame in Video(path).decode(Faults()))


def scenes(path: Path, most: int) -> list[tuple[int, np.ndarray]]:
    """At most `most` scenes evenly spread over the clip: first frame, and uint8 (CLIP_LENGTH + SHIFT, h, w, 3)."""
    length = CLIP_LENGTH + SHIFT
    total = sum(1 for _ in frames_of(path))
    count = max(1, min(most, total // length))
    starts = np.linspace(0, total - length, count).astype(int)
    found, frames = [], enumerate(frames_of(path))
    for start in starts:
        taken = [frame for place, frame in islice(frames, length + start) if place >= start][:length]
        found.append((int(start), np.stack(taken)))
        frames = enumerate(frames_of(path))
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


def features_of(clips: Path, weights: str, most: int, scratch: Path) -> dict[str, np.ndarray]:
    """Features float32 (10, 2048) by `clip@frame|copy`."""
    shapes = expected_shapes("i3d_r50")
    if weights == "reference":
        state = {name: torch.from_numpy(value) for name, value in reference_inputs.state_dict(shapes).items()}
    else:
        state = load_state_dict(Path(weights), shapes)
    engine = Engine(
        build_model("i3d_r50", state), choose_device("auto"), normalization="inception", sample_mode="oversample",
        precision="bf16", batch_size=1,
    )  # fmt: skip
    found = {}
    copy = scratch / "copy.mp4"
    for path in sorted(path for path in clips.iterdir() if path.is_file()):
        for start, frames in scenes(path, most):
            snippets = {ORIGINAL: snippet(iter(frames)), TRIMMED: snippet(iter(frames[SHIFT:]))}
            for name, (filters, options) in COPIES.items():
                encode(frames[:CLIP_LENGTH], filters, options, copy)
                snippets[name] = snippet(frames_of(copy))
            for name, pixels in snippets.items():
                found[f"{path.name}@{start}|{name}"] = engine.launch(torch.from_numpy(pixels[None])).collect()[0]
            print(path.name, start, flush=True)
    copy.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of unrelated video clips")
    parser.add_argument("--weights", default="reference", help="weights file; default: the tests' untrained ones")
    parser.add_argument("--scenes", type=int, default=6, help="scenes of a clip at most")
    parser.add_argument("--features", type=Path, required=True, help=".npz to keep the features in")
    args = parser.parse_args()
    if not args.features.exists():
        np.savez(args.features, **features_of(args.clips, args.weights, args.scenes, args.features.parent))


if __name__ == "__main__":
    main()
