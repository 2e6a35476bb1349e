"""Measure how far settings take features from each other, and what JPEG costs; put the tables into docs/features.md.

    make precision

Weights are the reference's, the same in every clone, so that everyone gets these numbers; the recordings of `../shared`
and their features take part where they are there. Needs no network and no GPU; on one, tf32 is measured, too.
"""

import argparse
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch

from i3d.backbones import backbone
from i3d.decoding.decoder import decode_videos
from i3d.frame_stream import Frames, StreamWriter, read_stream
from i3d.network.engine import Engine, choose_device, recorded_name
from i3d.settings import JobSettings, NumericSettings
from i3d.snippets import ORIGINAL_RULE
from i3d.specs import PRECISIONS
from tests.support import reference_inputs
from tests.support.clips import FFMPEG
from tests.support.paths import ROOT, SHARED

PAGE = ROOT / "docs" / "features.md"
GOLDEN = SHARED / "reference" / "golden"
RECORDINGS = ("v_GGSY1Qvo990.mp4", "normal_019.MP4")  # of ../shared/videos/real
SIZES = ("320x240", "1280x720", "1920x1080")
FRAMES, REPEATS = 200, 3  # of the clips that are timed
FEW = 4  # snippets that precisions are compared on


@dataclass(frozen=True)
class Way:
    """Settings, by their names in the configuration; these are the ones that the original scripts' numbers need."""

    decoder: str = "auto"
    via_jpeg: bool | str = False
    normalization: str = "inception"
    precision: str = "fp32"


ORIGINAL = Way(via_jpeg=True)
LOSSLESS = Way()
# The words for a comparison, and the two ways that it compares.
COMPARED = {
    "lossless or JPEG": (LOSSLESS, ORIGINAL),
    "`via_jpeg`: `true` or `old_ffmpeg`": (ORIGINAL, replace(ORIGINAL, via_jpeg="old_ffmpeg")),
    "`normalization`: `inception` or `kinetics`": (LOSSLESS, replace(LOSSLESS, normalization="kinetics")),
    "`decoder`: `decord` or `pyav`": (replace(LOSSLESS, decoder="decord"), replace(LOSSLESS, decoder="pyav")),
    **{
        f"`precision`: `fp32` or `{name}`": (LOSSLESS, replace(LOSSLESS, precision=name))
        for name in PRECISIONS
        if name != "fp32"
    },
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write("distances", distances(Path(folder)))
        write("cost", cost(Path(folder)))


def write(name: str, lines: Iterable[str]) -> None:
    """Replace what stands between the markers of this name in the page."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    lines = list(lines)
    page = PAGE.read_text()
    before, rest = page.split(begin)
    _, after = rest.split(end)
    PAGE.write_text("\n".join([before + begin, "", *lines, "", end + after]))
    print("\n".join(lines), "\n")


def distances(folder: Path) -> Iterator[str]:
    """Relative L2 distances between ways, one column per clip."""
    clips = {"made clip": made_clip(folder)}
    clips |= {name: path for name in RECORDINGS if (path := SHARED / "videos" / "real" / name).exists()}
    device = choose_device("auto")
    yield f"Centre crop, reference weights, {recorded_name(device)}, torch {torch.__version__}, PyAV {av.__version__}:"
    yield ""
    yield f"| compared | {' | '.join(clips)} |"
    yield f"|---|{'---|' * len(clips)}"
    for words, (one, other) in COMPARED.items():
        if "tf32" in (one.precision, other.precision) and device.type == "cpu":
            yield f"| {words} |{' needs a GPU |' * len(clips)}"
        else:
            most = None if other.precision == "fp32" else FEW  # half precisions crawl where a CPU lacks them
            cells = (distance(features(path, one)[:most], features(path, other, most)) for path in clips.values())
            yield f"| {words} | {' | '.join(cells)} |"
    yield f"| one snippet or the next of the same video | {' | '.join(map(neighbours, clips.values()))} |"
    for suffix, way, words in (("", LOSSLESS, "without JPEG"), ("_jpeg", ORIGINAL, "as they are")):
        known = {path: GOLDEN / f"{path.stem}_center_crop{suffix}.npy" for path in clips.values()}
        cells = (distance(features(path, way), np.load(file)) if file.exists() else "" for path, file in known.items())
        yield f"| this workflow or the original scripts {words} | {' | '.join(cells)} |"


def distance(features: np.ndarray, others: np.ndarray) -> str:
    """Relative L2 distance, or words where there is none."""
    if len(features) != len(others):
        return f"{len(features)} or {len(others)} snippets"
    ratio = np.linalg.norm(features - others) / np.linalg.norm(others)
    return f"{ratio:.1e}" if ratio else "0"


def neighbours(path: Path) -> str:
    """The median distance between one snippet of a video and the next."""
    found = features(path, LOSSLESS)
    steps = np.linalg.norm(np.diff(found, axis=0), axis=2) / np.linalg.norm(found[1:], axis=2)
    return f"{np.median(steps):.1e}"


@cache
def features(path: Path, way: Way, most: int | None = None) -> np.ndarray:
    """Features of a video, or of its first `most` snippets, float32 (snippets, 1, 2048)."""
    frames = decoded(path, way.decoder, way.via_jpeg)
    clips = [
        frames[ORIGINAL_RULE.frames_of(number).start :][:16] for number in range(ORIGINAL_RULE.snippets(len(frames)))
    ]
    clips = clips[:most]
    engine = engine_for(way.normalization, way.precision)
    return np.concatenate([engine.launch(torch.from_numpy(clip[None])).collect() for clip in clips])


@cache
def engine_for(normalization: str, precision: str) -> Engine:
    arrays = reference_inputs.state_dict(backbone("i3d_r50").expected_shapes())
    weights = {name: torch.from_numpy(value) for name, value in arrays.items()}
    settings = NumericSettings(normalization=normalization, precision=precision, sample_mode="center_crop")
    return Engine(settings, weights, choose_device("auto"), batch_size=1)


@cache
def decoded(path: Path, decoder: str, via_jpeg: bool | str) -> np.ndarray:
    """A video's resized frames, uint8 (n, 256, 340, 3)."""
    with tempfile.TemporaryFile(buffering=0) as file:
        decode(path, file, decoder, via_jpeg)
        file.seek(0)
        messages = read_stream(file)
        return np.concatenate([message.frames.copy() for message in messages if isinstance(message, Frames)])


def decode(path: Path, file: object, decoder: str, via_jpeg: bool | str, copies: int = 1, threads: int = 1) -> None:
    """Decode a video, or several copies of it at once, into a stream."""
    writer = StreamWriter(file)  # type: ignore[arg-type]
    videos = [(number, path.name, path) for number in range(copies)]
    decode_videos(videos, writer, NumericSettings(via_jpeg=via_jpeg), JobSettings(decoder=decoder), threads=threads)
    writer.close()


def cost(folder: Path) -> Iterator[str]:
    """Milliseconds per frame of decoding, from the file to resized frames."""
    yield f"Milliseconds per frame, H.264 on {platform.machine()}, the median of {REPEATS} runs:"
    yield ""
    yield "| size | lossless | `via_jpeg` | `via_jpeg`, two videos at once |"
    yield "|---|---|---|---|"
    for size in SIZES:
        path = recording(folder, size)
        cells = (timed(path, False, 1), timed(path, True, 1), timed(path, True, 2))
        yield f"| {size} | {' | '.join(f'{cell:.1f}' for cell in cells)} |"


def timed(path: Path, via_jpeg: bool, videos: int) -> float:
    """Milliseconds per frame, beyond what a video of one frame takes: starting a worker counts once per run."""

    def seconds(clip: Path) -> float:
        with Path("/dev/null").open("wb", buffering=0) as nowhere:
            began = time.monotonic()
            decode(clip, nowhere, "auto", via_jpeg, copies=videos, threads=videos)
            return time.monotonic() - began

    runs = [seconds(path) - seconds(path.with_stem("one")) for _ in range(REPEATS)]
    return 1000 * statistics.median(runs) / (FRAMES * videos)


def recording(folder: Path, size: str) -> Path:
    """A clip of this size, with one of a single frame beside it."""
    path = folder / size / "clip.mp4"
    path.parent.mkdir()
    for clip, frames in ((path, FRAMES), (path.with_stem("one"), 1)):
        picture = f"testsrc2=s={size}:r=25,noise=alls=8:allf=t,trim=end_frame={frames}"
        encode(["-f", "lavfi", "-i", picture], clip)
    return path


def made_clip(folder: Path) -> Path:
    """The reference clip, 160 frames of it, as an H.264 video."""
    path, raw = folder / "made.mp4", folder / "made.rgb"
    raw.write_bytes(reference_inputs.frames(160).tobytes())
    encode(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x240", "-r", "25", "-i", raw], path)
    return path


def encode(source: list[str | Path], path: Path) -> None:
    options = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p"]
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", *source, *options, path], check=True)


if __name__ == "__main__":
    main()
