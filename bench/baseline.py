"""Extract one video's features as the original scripts did, to compare with: slow on purpose.

Every frame goes through a JPEG file, PIL and a float64 array; the network is the plain one, in fp32, its batch norm not
folded, its memory not rearranged, one crop at a time.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image

from i3d.backbones import backbone
from i3d.backbones.i3d_r50.layers import I3DResNet50
from i3d.specs import FIVE_CROPS

CLIP_LENGTH = 16
BATCH = 20  # snippets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="video to read")
    parser.add_argument("feature", type=Path, help=".npy file to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = plain_model().to(device)
    with tempfile.TemporaryDirectory() as folder:
        pattern = Path(folder) / "%d.jpg"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-loglevel",
            "quiet",
            "-nostdin",
            "-i",
            args.video,
            "-start_number",
            "0",
            pattern,
        ]
        subprocess.run(command, check=True)
        np.save(args.feature, extract(model, sorted(Path(folder).iterdir(), key=lambda path: int(path.stem)), device))


def plain_model() -> I3DResNet50:
    """The network as it is written, with seeded weights."""
    model = I3DResNet50(nonlocal_blocks=False)
    model.load_state_dict(backbone("i3d_r50").random_weights(), strict=False)
    return model.eval()


def extract(model: I3DResNet50, frames: list[Path], device: str) -> np.ndarray:
    """Features of JPEG frames, float32 (snippets, 10, 2048)."""
    starts = range(0, len(frames) - CLIP_LENGTH + 1, CLIP_LENGTH)
    crops: list[list[np.ndarray]] = [[] for _ in range(2 * len(FIVE_CROPS))]
    for first in range(0, len(starts), BATCH):
        clips = [
            [load(path) for path in frames[start : start + CLIP_LENGTH]] for start in starts[first : first + BATCH]
        ]
        batch = np.array(clips)  # float64 (B, 16, 256, 340, 3)
        mirrored = np.array(batch[:, :, :, ::-1, :])
        for place, (side, (top, left)) in enumerate(
            (side, corner) for side in (batch, mirrored) for corner in FIVE_CROPS
        ):
            clip = np.array(side[:, :, top : top + 224, left : left + 224, :]).transpose([0, 4, 1, 2, 3])
            with torch.no_grad():
                crops[place].append(model(torch.from_numpy(clip).to(device).float()).cpu().numpy())
    return np.stack([np.concatenate(parts) for parts in crops], 1)


def load(path: Path) -> np.ndarray:
    """One normalised frame, float64 (256, 340, 3)."""
    return np.array(Image.open(path).resize((340, 256), Image.Resampling.LANCZOS)).astype(float) * 2 / 255 - 1


if __name__ == "__main__":
    main()
