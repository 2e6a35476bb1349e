"""The stages of a visit: python -m bench.gpu_visit STAGE, with what visit.sh puts into the environment."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from bench import network as bench_network
from bench.gpu_visit import tries as candidates
from bench.gpu_visit.measuring import CUDA, DEVICE, REDUCED, device, milliseconds, result
from bench.measuring import ROOT
from bench.reader import NoNetwork
from bench.whole import Whole, bundle_of
from i3d.backbones import backbone
from i3d.backbones.i3d_r50.layers import halve
from i3d.backbones.i3d_r50.stem import stem_of_crops
from i3d.config import complete
from i3d.network.engine import Engine
from i3d.selfcheck import decode_speed, numerics, pipe_speed, reference, throughput
from i3d.selfcheck import facts as product_facts
from i3d.selfcheck.check import SelfCheck
from i3d.selfcheck.samples import choose
from i3d.settings import JobSettings, NumericSettings
from i3d.specs import PRECISIONS
from scripts.make_demo_videos import write_clip

CLIPS, WORK = Path(os.environ.get("CLIPS", ".gpu/clips")), Path(os.environ.get("WORK", "/tmp/gpu-work"))
CPUS = os.cpu_count() or 1
SMALL = NumericSettings(sample_mode="center_crop")  # what is computed where there is no GPU
# Precisions and batch sizes by which speed is measured.
SPEEDS = [("bf16", 20), ("tf32", 20), ("fp16", 20), ("fp32", 20), ("bf16", 40), ("bf16", 5), ("bf16", 80), ("tf32", 40)]


def engine_of(precision: str, batch_size: int) -> Engine:
    """An engine with seeded weights."""
    settings = SMALL if REDUCED else NumericSettings(precision=precision)
    return Engine(settings, backbone("i3d_r50").random_weights(), device(), batch_size=batch_size)


def facts() -> None:
    """The machine, and the two ceilings of its memory."""
    for command in (["nvidia-smi"], ["nvidia-smi", "-q", "-d", "CLOCK,POWER,ECC"]):
        try:
            print(subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout)
        except (OSError, subprocess.TimeoutExpired) as error:
            result(f"{command[0]}: {error}")
    for name, value in product_facts.gather(device()).items():
        result(name, value)
    result(
        "torch", torch.__version__, "CUDA", torch.version.cuda, "cuDNN", torch.backends.cudnn.version(), CPUS, "CPUs"
    )
    if CUDA:
        properties = torch.cuda.get_device_properties(0)
        result(f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB, {properties.multi_processor_count} SMs")
        a, b = (torch.empty(2**32, dtype=torch.uint8, device="cuda") for _ in range(2))
        result(
            f"copy on the device: {2 * a.numel() / milliseconds(lambda: b.copy_(a)) / 1e9:.2f} TB/s read and written"
        )
        host = torch.empty(2**28, dtype=torch.uint8, pin_memory=True)
        each = milliseconds(lambda: a[: 2**28].copy_(host, non_blocking=True))
        result(f"pinned host to device: {host.numel() / each / 1e6:.1f} GB/s")


def numbers() -> None:
    """The self-check's verdicts, and which layers take the fast way."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("i3d.backbones").setLevel(logging.DEBUG)
    for model in ("i3d_r50",) if REDUCED else ("i3d_r50", "i3d_r50_nl"):
        settings = complete(
            {"weights": "random", "videos": str(CLIPS), "device": DEVICE, "batch_size": 5, "model": model}
        )
        checker = SelfCheck(settings, gres="", cpus=CPUS, say=print)
        for precision in ("fp32",) if REDUCED else PRECISIONS:
            if reason := numerics.why_left_out(precision, device()):
                result(f"{model} {precision}: left out, {reason}")
                continue
            for verdict in checker._verdicts(precision):
                result(f"{model} {precision}: {'right' if verdict.passed else 'WRONG'}, {verdict}")
                if REDUCED:
                    break
    if CUDA:
        for precision in PRECISIONS:
            engine = engine_of(precision, 5)
            engine.launch(engine.buffer(5, 16)).collect()
            choices = engine.network.model.conv1.choices  # type: ignore[attr-defined]
            result(f"{precision}: {sum(choices.values())} of {len(choices)} kinds of convolution the fast way")


def speed() -> None:
    """Snippets a second by precision and batch, against a matrix product; the numbers of the same batches."""
    snippet = reference.reference_snippet()
    work = backbone("i3d_r50").snippet_tflop("oversample", 16)
    for precision, batch in [("fp32", 1)] if REDUCED else SPEEDS:
        peak = bench_network.peak(precision, device(), 1 if REDUCED else 9) / 1e12
        engine = engine_of(precision, batch)
        found = throughput.measure(engine, snippet, precision, 0.1 if REDUCED else 3)
        rate = found.snippets_per_second
        buffer = engine.buffer(engine.batch_size, 16)  # these weights and this snippet are the stored reference's
        buffer.numpy()[:] = snippet
        expected = reference.reference_features("i3d_r50")[2:3] if REDUCED else reference.reference_features("i3d_r50")
        verdict = numerics.compare_features(engine.launch(buffer).collect(), expected, precision)
        result(
            f"{precision} batch {found.batch_size}: {rate:.1f} snippets/s, {rate * 16:,.0f} frames/s, "
            f"{rate * work / peak:.1%} of a matrix product's {peak:.1f} TFLOP/s, "
            f"tuned in {found.tuning_seconds:.1f} s, {found.peak_memory_mb or 0:.0f} MiB; "
            f"{'right' if verdict.passed else 'WRONG'}, {verdict}"
        )
        del engine


def profile() -> None:
    """The operations that take longest, and the GPU's milliseconds in each part of the network."""
    from torch.profiler import ProfilerActivity, profile

    for precision in ("fp32",) if REDUCED else ("bf16", "tf32"):
        engine = engine_of(precision, 1 if REDUCED else 20)
        buffer = engine.buffer(engine.batch_size, 16).random_(0, 256)
        engine.launch(buffer).collect()
        with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * CUDA], record_shapes=True) as seen:
            engine.launch(buffer).collect()
        key = "self_device_time_total" if CUDA else "self_cpu_time_total"
        print(seen.key_averages().table(sort_by=key, row_limit=40, max_name_column_width=100))
        by_shape = seen.key_averages(group_by_input_shape=True)
        print(by_shape.table(sort_by=key, row_limit=45, max_name_column_width=60, max_shapes_column_width=110))
        _by_part(engine, buffer, precision)


@torch.inference_mode()
def _by_part(engine: Engine, buffer: torch.Tensor, precision: str) -> None:
    network = engine.network
    model, mode = network.model, network.sample_mode  # type: ignore[attr-defined]
    snippets = engine._to_device(buffer)
    steps = {
        "copy to the device": lambda x: engine._to_device(buffer),
        "normalise": lambda x: network.backbone.normalised(  # type: ignore[attr-defined]
            snippets.permute(0, 4, 1, 2, 3).float(),
            network.normalization,  # type: ignore[attr-defined]
        ).to(network.dtype, memory_format=torch.channels_last_3d),  # type: ignore[attr-defined]
        "conv1 of one side, again within stem": lambda x: (x, model.conv1(x))[0],
        "stem of all crops": lambda x: stem_of_crops(model, x, mode),
        "layer1": lambda x: halve(model.layer1(x), 2),
        **{f"layer{number}": getattr(model, f"layer{number}") for number in (2, 3, 4)},
    }
    x = snippets
    for name, step in steps.items():
        result(f"part {precision}: {name} {milliseconds(lambda step=step, x=x: step(x)):.2f} ms")
        x = step(x)


class Load:
    """The GPU's utilisation, clock and power while something runs."""

    def __enter__(self) -> "Load":
        self.rows: list[tuple[float, float, float]] = []
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def _look(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,clocks.sm,power.draw", "--format=csv,noheader,nounits"]
        while CUDA and not self._over.wait(0.5):
            try:
                line = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
                busy, clock, power = map(float, line.split(","))
            except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
                return
            self.rows.append((busy, clock, power))

    def __str__(self) -> str:
        rows = self.rows[len(self.rows) // 4 :]
        if not rows:
            return "GPU load unknown"
        busy, clock, power = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        return f"GPU busy {busy:.0f} %, {clock:.0f} MHz, {power:.0f} W"


def pipe() -> None:
    """Decode and extract together, the same without a network, and decode alone."""
    paths = [_demo_clip()] if REDUCED else sorted(CLIPS.glob("*.mp4"))
    kinds = {f"{group[0].width}x{group[0].height}": group for group in choose(paths, 6, clip_length=16, processes=CPUS)}
    processes = max(1, CPUS - 1)
    seconds = 1.0 if REDUCED else 8.0

    def together(engine: object, label: str) -> None:
        for name, samples in kinds.items():
            with Load() as load:
                rate = pipe_speed.measure(
                    engine,  # type: ignore[arg-type]
                    samples,
                    NumericSettings(),
                    [f"--threads={processes}"],
                    seconds,
                )
            speed = "too few came" if rate is None else f"{rate * 16:,.0f} frames/s"
            result(f"pipe {name} {label}: {speed} with {processes} decoding; {load}")

    if not REDUCED:
        engine = engine_of("bf16", 20)
        engine.launch(engine.buffer(20, 16)).collect()  # tunes
        together(engine, "bf16")
    together(NoNetwork(), "without a network")
    for name, samples in kinds.items():
        for count in sorted({1, processes}):
            found = decode_speed.measure(samples, count, 0.3 if REDUCED else 3, NumericSettings(), JobSettings())
            result(f"decode {name}: {0 if found is None else found.frames_per_second:,.0f} frames/s by {count}")


def _demo_clip() -> Path:
    WORK.mkdir(parents=True, exist_ok=True)
    write_clip(WORK / "short.mp4", 80, speed=5)
    return WORK / "short.mp4"


def whole() -> None:
    """Video files to .npy by the two programs, start-up included."""
    folder = WORK / "whole"
    folder.mkdir(parents=True, exist_ok=True)
    source = _demo_clip() if REDUCED else CLIPS / "320x240.mp4"
    clips = [folder / f"c{number:03}.mp4" for number in range(1 if REDUCED else 60)]
    for clip in clips:
        clip.unlink(missing_ok=True)
        clip.symlink_to(source.resolve())
    for precision in ("fp32",) if REDUCED else ("bf16", "tf32"):
        bundle = bundle_of(folder, clips, precision)
        began = time.monotonic()
        with Load() as load:
            Whole(1, 1, max(1, CPUS - 1)).piped(bundle)
        took = time.monotonic() - began
        frames = sum(np.load(path, mmap_mode="r").shape[0] * 16 for path in folder.rglob("*.npy"))
        result(f"whole {precision}: {frames} frames in {took:.1f} s: {frames / took:,.0f} frames/s; {load}")


def baseline() -> None:
    """The original way, on one clip."""
    clip = _demo_clip() if REDUCED else CLIPS / "320x240.mp4"
    feature = WORK / "base.npy"
    began = time.monotonic()
    subprocess.run([sys.executable, f"{ROOT}/bench/baseline.py", str(clip), str(feature)], check=True)
    frames = 16 * np.load(feature).shape[0]
    result(f"baseline: {frames} frames in {time.monotonic() - began:.1f} s, start-up included")


def tries() -> None:
    """Candidates, or those named on the command line, against the product's way on the same input."""
    names = sys.argv[2:] or list(candidates.TRIES)
    for name in names:
        candidates.run(name)


STAGES = {each.__name__: each for each in (facts, numbers, speed, profile, pipe, whole, baseline, tries)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in STAGES:
        sys.exit(f"no such stage; there are {', '.join(STAGES)}")
    STAGES[sys.argv[1]]()
