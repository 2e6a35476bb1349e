"""Measure every stage alone and the whole, against a plain baseline in the same run, and write a table.

Times of shared machines drift: what counts are the ratios, taken within one run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baseline import plain_model
from torch.utils.flop_counter import FlopCounterMode

from i3d.decoding.resize import resize
from i3d.digests import video_digest
from i3d.errors import run_main
from i3d.frame_stream import FRAME_SHAPE, Frames, StreamWriter, read_stream
from i3d.network.crops import normalise
from i3d.network.engine import DTYPES, Engine, choose_device, device_name
from i3d.network.model import build_model, expected_shapes
from i3d.network.specs import FIVE_CROPS, SAMPLE_MODES
from i3d.network.weights import random_state_dict
from i3d.planning.bundles import make_bundle
from i3d.planning.cost import SLICES, assumed
from make_demo_videos import write_clip

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
WORKFLOW = ("Snakefile", "rules", "scripts", "config")  # what a folder needs for a dry run
EMPTY_RULE = """
rule all:
    input:
        expand("features/{{number}}.npy", number=range({videos})),


rule empty:
    output:
        "features/{{number}}.npy",
    shell:
        "touch {{output}}"
"""
PLANNED_FPS = 30
SETTINGS: dict[str, Any] = {
    "model": "i3d_r50",
    "normalization": "inception",
    "sample_mode": "oversample",
    "frequency": 16,
    "clip_length": 16,
    "fps": None,
    "weights_sha256": "random",
}
Row = tuple[str, str, str, str]  # a table's four cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="Markdown file to write the tables to")
    parser.add_argument("--snippets", type=int, default=24, help="length of the clip of the whole runs")
    parser.add_argument("--videos", type=int, default=10_000, help="size of the tree to plan for")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement; the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bench = Bench(args.snippets, args.videos, args.repeats, args.threads)
    lines = bench.report()
    print("\n".join(lines))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text("\n".join(lines) + "\n")


class Bench:
    """All measurements of one machine."""

    def __init__(self, snippets: int, videos: int, repeats: int, threads: int) -> None:
        self.snippets = snippets
        self.videos = videos
        self.repeats = repeats
        self.threads = threads
        self.device = choose_device("auto")

    def report(self) -> list[str]:
        """The tables as lines of Markdown."""
        packages = " ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "pillow", "decord", "av"))
        machine = f"{device_name(self.device)}, {cpu_name()}, {self.threads} threads, {platform.system()}, {packages}"
        return [
            f"# Measured on {date.today()}",
            "",
            machine,
            "",
            *table("Stages alone", ("stage", "seconds", "rate", "note"), chain(self.host_stages(), self.network())),
            *table("Video file to .npy, start-up included", ("run", "seconds", "rate", "ratio"), self.whole()),
            *table(
                f"Planning: `snakemake -n -q` for {self.videos:,} videos",
                ("dry run", "seconds", "rate", "ratio"),
                self.planning(),
            ),
            *table(
                f"Hours of video at {PLANNED_FPS} frames a second per hour of an A100 slice: computed, not measured",
                ("slice", "fp32", "tf32", "bf16, fp16"),
                hours_per_hour(),
            ),
        ]

    def host_stages(self) -> Iterator[Row]:
        """Decode and resize, resize alone, and the stream through a pipe."""
        with tempfile.TemporaryDirectory() as name:
            clip = Path(name) / "clip.mp4"
            frames = 16 * self.snippets
            write_clip(clip, frames, speed=5)
            command = ["decode.py", str(clip), "--output", os.devnull, "--threads", str(self.threads)]
            yield row(
                "decode and resize, 320x240, with start-up", self.median(partial(run, *command)), frames, "frames"
            )
        image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
        yield row("resize, one thread", self.median(partial(resize_many, image, 200)), 200, "frames")
        frames = 64 * 60
        seconds = self.median(partial(through_a_pipe, frames // 64))
        yield row(
            "frame stream through a pipe", seconds, frames, "frames", f"{frames * 261120 / seconds / 1e9:.2f} GB/s"
        )

    def network(self) -> Iterator[Row]:
        """The network at each precision, ten crops, against the plain one, and as a share of the measured peak."""
        weights = random_state_dict(expected_shapes("i3d_r50"))
        count = 2 if self.device.type == "cpu" else 40
        generator = torch.Generator().manual_seed(0)
        snippets = torch.randint(0, 256, (count, 16, *FRAME_SHAPE), dtype=torch.uint8, generator=generator)
        plain = plain_model().to(self.device)
        flops = flops_of_a_crop(plain) * SAMPLE_MODES["oversample"].crops
        reference: list[np.ndarray] = []

        # As torch comes, cuDNN may use TF32, and the plain network is to be fp32.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

        def plainly() -> None:
            reference[:] = [plain_features(plain, snippets, self.device)]

        base = self.median(plainly)
        yield row(
            "network, plain, fp32, one crop at a time",
            base,
            count,
            "snippets",
            share(base, flops * count, self.peak("fp32")),
        )
        for precision in DTYPES:
            if precision in ("tf32", "fp16") and self.device.type == "cpu":
                continue  # a CPU knows no tf32, and takes half a minute for a snippet in fp16
            engine = Engine(
                build_model("i3d_r50", dict(weights)),
                self.device,
                normalization="inception",
                sample_mode="oversample",
                precision=precision,
                batch_size=20,
            )
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

            seconds = self.median(compute)
            error = np.linalg.norm(np.concatenate(features) - reference[0]) / np.linalg.norm(reference[0])
            reached = share(seconds, flops * count, self.peak(precision))
            note = f"{base / seconds:.2f} x plain, error {error:.0e}, {reached}"
            yield row(f"network, {precision}", seconds, count, "snippets", note)

    def whole(self) -> Iterator[Row]:
        """The scripts as the workflow runs them, against the baseline, in turn; then short clips against a long one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            clip = folder / "long.mp4"
            write_clip(clip, 16 * self.snippets, speed=5)
            baseline = partial(
                run, "../bench/baseline.py", str(clip), str(folder / "base.npy"), "--threads", str(self.threads)
            )
            runs: dict[str, Callable[[], None]] = {"baseline": baseline}
            for precision in ("fp32", "bf16"):
                bundle = write_bundle(folder, [clip], precision)
                runs[f"decode alone ({precision})"] = partial(self.decode_alone, bundle)
                runs[f"extract alone ({precision})"] = partial(self.extract_alone, bundle)
                runs[f"decode and extract through a pipe, {precision}"] = partial(self.piped, bundle)
            seconds = self.in_turn(runs)
            for label, value in seconds.items():
                ratio = f"{seconds['baseline'] / value:.2f} x baseline"
                if "pipe" in label:
                    precision = label.rsplit(" ", 1)[1]
                    slowest = max(seconds[f"{stage} alone ({precision})"] for stage in ("decode", "extract"))
                    ratio += f", {value / slowest:.2f} of the slowest stage alone"
                yield row(label, value, self.snippets, "snippets", ratio)

            clips = [folder / f"second{number}.mp4" for number in range(60)]
            for path in clips:
                write_clip(path, 32, speed=5)
            write_clip(folder / "minute.mp4", 32 * len(clips), speed=5)
            many = write_bundle(folder, clips, "bf16")
            one = write_bundle(folder, [folder / "minute.mp4"], "bf16")
            runs = {"one long clip": partial(self.piped, one), "60 clips of a second": partial(self.piped, many)}
            seconds = self.in_turn(runs)
            for label, value in seconds.items():
                yield row(
                    f"{label}, bf16", value, 120, "snippets", f"{value / seconds['one long clip']:.2f} x the long clip"
                )

    def planning(self) -> Iterator[Row]:
        """Dry runs on a tree of videos, against an empty rule with as many targets."""
        with tempfile.TemporaryDirectory() as name:
            folder, empty = Path(name) / "workflow", Path(name) / "empty"
            for path in (folder / "videos", empty):
                path.mkdir(parents=True)
            (empty / "Snakefile").write_text(EMPTY_RULE.format(videos=self.videos))
            for part in WORKFLOW:
                (folder / part).symlink_to(ROOT / part)
            write_clip(folder / "clip.mp4", 40, speed=5)
            for number in range(self.videos):
                (folder / f"videos/{number}.mp4").hardlink_to(folder / "clip.mp4")
            config = ["--config", "videos=videos", "features=features", "weights=random"]
            first = seconds_of(partial(dry_run, folder, *config))
            runs: dict[str, Callable[[], None]] = {
                "an empty rule": partial(dry_run, empty),
                "the workflow, again": partial(dry_run, folder, *config),
            }
            seconds = self.in_turn(runs) | {"the workflow, each video read for the first time": first}
            for label, value in seconds.items():
                ratio = f"{value / seconds['an empty rule']:.2f} x the empty rule"
                yield row(label, value, self.videos, "videos", ratio)

    def decode(self, bundle: Path) -> subprocess.Popen:
        """Start decode on a bundle."""
        return start(
            "decode.py",
            "--bundle",
            str(bundle),
            "--output",
            str(bundle.with_suffix(".frames")),
            "--threads",
            str(self.threads),
        )

    def extract(self, bundle: Path) -> subprocess.Popen:
        """Start extract on a bundle's stream, its staging tree empty."""
        staging = Path(tempfile.mkdtemp(dir=bundle.parent))
        files = {
            "--frames": bundle.with_suffix(".frames"),
            "--staging": staging,
            "--output": bundle.with_suffix(".jsonl"),
        }
        options = [str(part) for pair in files.items() for part in pair]
        return start(
            "extract.py", "--bundle", str(bundle), *options, "--weights", "random", "--threads", str(self.threads)
        )

    def decode_alone(self, bundle: Path) -> None:
        """Decode into a file, which stays."""
        finish(self.decode(bundle))

    def extract_alone(self, bundle: Path) -> None:
        """Extract from that file."""
        finish(self.extract(bundle))

    def piped(self, bundle: Path) -> None:
        """Both side by side, the stream a named pipe."""
        stream = bundle.with_suffix(".frames")
        stream.unlink(missing_ok=True)
        os.mkfifo(stream)
        for process in [self.decode(bundle), self.extract(bundle)]:
            finish(process)
        stream.unlink()

    def median(self, action: Callable[[], None]) -> float:
        """Median seconds of `action` over the repeats, after one run that does not count."""
        action()
        return statistics.median(seconds_of(action) for _ in range(self.repeats))

    def in_turn(self, actions: dict[str, Callable[[], None]]) -> dict[str, float]:
        """Median seconds of each action, all run in turn so that drift of the machine meets all alike."""
        rounds = [{label: seconds_of(action) for label, action in actions.items()} for _ in range(self.repeats)]
        return {label: statistics.median(times[label] for times in rounds) for label in actions}

    def peak(self, precision: str) -> float:
        """Operations per second of a large matrix product in this precision, here and now."""
        size = 8192 if self.device.type == "cuda" else 3072
        matrix = torch.randn(size, size, device=self.device, dtype=DTYPES[precision])
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"

        def multiply() -> None:
            matrix @ matrix
            if self.device.type == "cuda":
                torch.cuda.synchronize()

        return 2 * size**3 / self.median(multiply)


def hours_per_hour() -> Iterator[Row]:
    """Rows of the planning table: what scripts/i3d/planning/cost.py expects of each slice, ten crops."""
    for name in SLICES:
        rates = [
            assumed(name, SETTINGS | {"precision": precision}).snippets_per_second
            for precision in ("fp32", "tf32", "bf16")
        ]
        fp32, tf32, half = (f"{rate * SETTINGS['frequency'] / PLANNED_FPS:,.0f}" for rate in rates)
        yield name, fp32, tf32, half


def plain_features(model: torch.nn.Module, snippets: torch.Tensor, device: torch.device) -> np.ndarray:
    """Ten-crop features by the plain network, one crop at a time: float32 (B, 10, 2048)."""
    frames = normalise(snippets.float(), "inception").permute(0, 4, 1, 2, 3).to(device)
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


def resize_many(image: np.ndarray, times: int) -> None:
    """Resize one image again and again."""
    for _ in range(times):
        resize(image)


def through_a_pipe(blocks: int) -> None:
    """Send blocks of 64 frames from one process to another."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        with open(write_end, "wb", buffering=0) as file:  # noqa: PTH123
            writer = StreamWriter(file)
            block = np.zeros((64, *FRAME_SHAPE), np.uint8)
            for _ in range(blocks):
                writer.frames(0, block)
            writer.close()
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb", buffering=0) as file:  # noqa: PTH123
        frames = sum(len(message.frames) for message in read_stream(file) if isinstance(message, Frames))
    os.waitpid(child, 0)
    assert frames == 64 * blocks


def write_bundle(folder: Path, clips: list[Path], precision: str) -> Path:
    """A bundle file for clips, as the plan writes it."""
    videos = [
        {
            "video": clip.name,
            "path": str(clip),
            "feature": f"{clip.stem}.npy",
            "digest": video_digest(clip),
            "frames": 1,
        }
        for clip in clips
    ]
    bundle = make_bundle(SETTINGS | {"precision": precision}, precision, videos)
    path = folder / f"{bundle['name']}.json"
    path.write_text(json.dumps(bundle))
    return path


def start(script: str, *arguments: str) -> subprocess.Popen:
    """Start one of the scripts."""
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    environment = os.environ | ({"OMP_WAIT_POLICY": "PASSIVE"} if script == "extract.py" else {})  # as its rule does
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen) -> None:
    """Wait for a script. Raises RuntimeError with what it said if it failed."""
    _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(said)


def dry_run(folder: Path, *arguments: str) -> None:
    """`snakemake -n -q` in a folder."""
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "--cores", "1", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def run(script: str, *arguments: str) -> None:
    """Run one of the scripts to its end."""
    finish(start(script, *arguments))


def seconds_of(action: Callable[[], None]) -> float:
    """Seconds of wall time that `action` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def row(label: str, seconds: float, count: int, unit: str, note: str = "") -> Row:
    """A table row: a label, seconds, what that makes a second, a note."""
    return label, f"{seconds:.2f}", f"{count / seconds:,.1f} {unit}/s", note


def share(seconds: float, flops: float, peak: float) -> str:
    """How much of the measured peak a computation reached."""
    return f"{flops / seconds / 1e9:,.0f} GFLOP/s, {flops / seconds / peak:.0%} of a matrix product's"


def cpu_name() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor()


def table(title: str, head: Row, rows: Iterable[Row]) -> list[str]:
    """A Markdown table under a heading; each row is also shown as soon as it is measured."""
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for cells in rows:
        print(*cells, sep="  ", file=sys.stderr)
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


if __name__ == "__main__":
    run_main(main)
