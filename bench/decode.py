"""The decode stage: CPU time per frame on one core, with today's resize and with Pillow's, beside decoding alone."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from bench.measuring import ROOT, Row, cpu_seconds_of, in_turn, median, row
from i3d.decoding.decoder import WORKER_MODULE, decode_videos
from i3d.decoding.resize import pillow, resize
from i3d.frame_stream import FRAME_BYTES, FRAME_SHAPE, Frames, StreamWriter, read_stream
from i3d.settings import JobSettings, NumericSettings

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SIZES = {(320, 240): "500k", (1280, 720): "2500k", (1920, 1080): "5000k"}  # with bit rates that cameras record at
MADE_FRAMES = 200
PIXELS_PER_RUN = 300e6  # about as many per measurement, whatever the size: seconds with Pillow
PILLOW_WORKER = "bench.pillow_worker"
DECORD_WORKER = "bench.decord_worker"
DECODERS = ("decord", "pyav")
PAIR_SIZES = {(160, 120): "200k", (320, 240): "500k", (640, 360): "1000k", **SIZES}
SECOND = 25  # frames

STAGE_HEAD = ("clip", "decoding alone, `ffmpeg -f null`", "the stage with Pillow", "the stage", "ratio")
PAIR_HEAD = ("clip", "decord", "PyAV", "decord / PyAV")
RESIZE_HEAD = ("from", "Pillow", "here", "ratio")


def stage(clips: list[Path], repeats: int) -> Iterator[Row]:
    """CPU milliseconds per frame of made-up clips and of `clips`; what starting takes is taken off."""
    with tempfile.TemporaryDirectory() as name:
        made = [made_clip(Path(name) / rate, size, rate) for size, rate in SIZES.items()]
        for clip in [*made, *clips]:
            label, pixels, frames = described(clip)
            times = max(2, round(PIXELS_PER_RUN / (pixels * frames)))
            runs: dict[str, Callable[[], None]] = {"floor": partial(decode_alone, clip)}
            for module in (PILLOW_WORKER, WORKER_MODULE):
                runs[f"{module}, once"] = partial(decode, [clip], module)
                runs[f"{module}, often"] = partial(decode, [clip] * times, module)
            seconds = in_turn(runs, repeats, cpu_seconds_of)
            slow, fast = (
                1000 * (seconds[f"{module}, often"] - seconds[f"{module}, once"]) / ((times - 1) * frames)
                for module in (PILLOW_WORKER, WORKER_MODULE)
            )
            floor = 1000 * seconds["floor"] / frames
            yield label, f"{floor:.2f} ms", f"{slow:.2f} ms", f"{fast:.2f} ms", f"{slow / fast:.1f}"


def pairs(clips: list[Path], repeats: int) -> Iterator[Row]:
    """CPU milliseconds per frame of the stage with decord and with PyAV; what starting takes is taken off."""
    with tempfile.TemporaryDirectory() as name:
        made = [
            made_clip(Path(name) / f"{rate}, {frames} frames", size, rate, frames)
            for frames in (MADE_FRAMES, SECOND)
            for size, rate in PAIR_SIZES.items()
        ]
        for clip in [*made, *clips]:
            label, pixels, frames = described(clip)
            times = max(4, round(PIXELS_PER_RUN / 2 / (pixels * frames)))
            runs: dict[str, Callable[[], None]] = {}
            for decoder in DECODERS:
                job = JobSettings(decoder=decoder, decode_memory_mb=16384)
                runs[f"{decoder}, once"] = partial(decode, [clip], DECORD_WORKER, job)
                runs[f"{decoder}, often"] = partial(decode, [clip] * times, DECORD_WORKER, job)
            seconds = in_turn(runs, repeats, cpu_seconds_of)
            one, other = (
                1000 * (seconds[f"{decoder}, often"] - seconds[f"{decoder}, once"]) / ((times - 1) * frames)
                for decoder in DECODERS
            )
            yield f"{label}, {frames} frames", f"{one:.2f} ms", f"{other:.2f} ms", f"{one / other:.2f}"


def resizing(repeats: int) -> Iterator[Row]:
    """CPU milliseconds per frame of the resize alone, of noise."""
    out = np.empty(FRAME_SHAPE, np.uint8)
    for width, height in SIZES:
        frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        resize(frame, out)  # compiles it, and computes this size's coefficients
        times = max(10, round(PIXELS_PER_RUN / (width * height * 10)))
        runs = {way.__name__: partial(many, way, frame, out, times) for way in (pillow, resize)}
        seconds = in_turn(runs, repeats, cpu_seconds_of)
        slow, fast = (1000 * seconds[way.__name__] / times for way in (pillow, resize))
        yield f"{width}x{height}", f"{slow:.2f} ms", f"{fast:.2f} ms", f"{slow / fast:.1f}"


def pipe(repeats: int) -> Iterator[Row]:
    """The frame stream from one process to another."""
    blocks = 60
    seconds = median(partial(through_a_pipe, blocks), repeats)
    rate = f"{64 * blocks * FRAME_BYTES / seconds / 1e9:.2f} GB/s"
    yield row("frame stream through a pipe", seconds, 64 * blocks, "frames", rate)


def made_clip(folder: Path, size: tuple[int, int], bit_rate: str, frames: int = MADE_FRAMES) -> Path:
    """An H.264 clip of a moving test picture with noise."""
    folder.mkdir()
    path = folder / "made up.mp4"
    source = "testsrc2=s={}x{}:r=25,noise=alls=4:allf=t,trim=end_frame={}".format(*size, frames)
    options = ["-c:v", "libx264", "-preset", "fast", "-b:v", bit_rate, "-pix_fmt", "yuv420p"]
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, *options, path], check=True)
    return path


def described(clip: Path) -> tuple[str, int, int]:
    """A clip in words, its pixels per frame, its frames."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for packet in container.demux(stream) if packet.size)
        label = f"{clip.stem}, {stream.width}x{stream.height} {stream.codec_context.name}"
    return label, stream.width * stream.height, frames


def decode_alone(clip: Path) -> None:
    """Decode with the ffmpeg program on one thread, and do nothing with the frames."""
    command = [FFMPEG, "-v", "quiet", "-nostdin", "-threads", "1", "-i", clip, "-an", "-f", "null", "-"]
    subprocess.run(command, check=True)


def decode(clips: list[Path], module: str, job: JobSettings | None = None) -> None:
    """The decode stage on one core; `module` is the worker's."""
    os.environ["PYTHONPATH"] = str(ROOT)  # for the worker that is here
    with open(os.devnull, "wb", buffering=0) as file:  # noqa: PTH123
        videos = [(place, clip.name, clip) for place, clip in enumerate(clips)]
        decode_videos(videos, StreamWriter(file), NumericSettings(), job or JobSettings(), module=module)


def many(way: Callable[[np.ndarray, np.ndarray], object], frame: np.ndarray, out: np.ndarray, times: int) -> None:
    """Resize one frame again and again."""
    for _ in range(times):
        way(frame, out)


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
