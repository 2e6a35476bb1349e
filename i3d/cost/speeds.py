"""What is known of a machine's speed, from the best source there is: its self-check, earlier runs, or assumptions.

Planning asks here, so that neither torch nor a decoder is imported.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean

from i3d.cost import devices
from i3d.cost.calibration import Calibration, DecodeSpeed, Key, find
from i3d.cost.work import FRAME_SECONDS, OTHER_CODECS, UNKNOWN_DEVICE, Speeds, assumed, snippet_tflop
from i3d.quantities import count
from i3d.records.record import OK, VideoRecord
from i3d.settings import NumericSettings

START_SECONDS = 15.0  # until an extract job has Python, torch and the weights; 3 to 20 were seen
CPU_TFLOPS = 0.05  # of one CPU with AVX2 in any precision: 0.05 to 0.2 were seen in fp32
ENOUGH_SNIPPETS = 20  # of earlier runs, to believe them
# Settings that the network's speed depends on.
SAME_WORK = ("model", "sample_mode", "clip_length", "frame_pooling", "precision")


@dataclass(frozen=True)
class Known:
    """Speeds, what starting an extract job costs, and why there is no better source (empty for a calibration)."""

    speeds: Speeds
    start_seconds: float = START_SECONDS
    why: str = ""
    guessed: bool = False  # a GPU that is in no table and was never measured: the speeds are another one's


def known_speeds(
    device: str,
    settings: NumericSettings,
    calibration: Path,
    records: Iterable[VideoRecord] = (),
    *,
    on_gpu: bool,
    cpus: int,
    decode_threads: int,
) -> Known:
    """The speeds of `device`, as `machine.device_name` has it, for the settings of a plan.

    `records` are those of earlier runs on the tree; `on_gpu` says what the device is, `cpus` are what a local run may
    use, `decode_threads` the processes that one bundle is decoded by.
    """
    found = find(calibration, key_of(device, settings))
    if found.calibration is not None:
        speeds = of_calibration(found.calibration, settings.precision, decode_threads)
        return Known(speeds, found.calibration.start_seconds)
    if (earlier := of_earlier_runs(records, device, settings, on_gpu=on_gpu)) is not None:
        return Known(earlier, why=found.reason)
    if not on_gpu:
        return Known(Speeds(CPU_TFLOPS * cpus / snippet_tflop(settings), "assumed"), why=found.reason)
    row = devices.device(device)
    speeds = assumed(row or devices.devices()[UNKNOWN_DEVICE], settings)
    return Known(speeds, why=found.reason, guessed=row is None)


def key_of(device: str, settings: NumericSettings) -> Key:
    """What a plan looks a device's calibration up by."""
    return Key(device=device, torch=torch_version(), **{name: getattr(settings, name) for name in SAME_WORK})


def torch_version() -> str | None:
    """The version of torch; None where the jobs have it in an environment of theirs, as with `--sdm conda`."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return None


def of_calibration(calibration: Calibration, precision: str, decode_threads: int) -> Speeds:
    """The measured speeds as a cost model; `calibration` has the precision."""
    best = calibration.best(precision)
    assert best is not None
    speeds = Speeds(
        best.snippets_per_second, f"measured on {calibration.device} at {calibration.measured[:16].replace('T', ' ')}"
    )
    if not calibration.decoding:
        return speeds
    frame_seconds, pixel_seconds = fit_decoding(_with_processes(calibration.decoding, decode_threads))
    return replace(speeds, frame_seconds=frame_seconds, pixel_seconds=pixel_seconds)


def of_earlier_runs(
    records: Iterable[VideoRecord], device: str, settings: NumericSettings, *, on_gpu: bool
) -> Speeds | None:
    """What finished videos of this tree took on such a device, with settings that cost the same; None for too few.

    A record's seconds are its share of its bundle's time, so that waiting for frames is part of the network's speed.
    """
    alike = [
        record
        for record in records
        if record.status == OK
        and record.seconds
        and record.snippets
        and same_device(device, record.device or "", on_gpu=on_gpu)
        and all(getattr(record, name) == getattr(settings, name) for name in SAME_WORK)
    ]
    snippets = sum(record.snippets or 0 for record in alike)
    if snippets < ENOUGH_SNIPPETS:
        return None
    seconds = sum(record.seconds or 0.0 for record in alike)
    return Speeds(snippets / seconds, f"from earlier runs on this tree, {count(len(alike), 'video')}")


def same_device(planned: str, recorded: str, *, on_gpu: bool) -> bool:
    """Whether a record's device, torch's name for a GPU or `cpu`, is the one of a plan, `on_gpu` or a processor."""
    if not on_gpu:
        return recorded == "cpu"
    return devices.device_name(planned) == devices.device_name(recorded)


def of_others(
    chosen: str, others: Iterable[str], known: Known, settings: NumericSettings, calibration: Path
) -> dict[str, Speeds]:
    """Speeds of other devices in the table beside the chosen one's, which are `known`.

    One with a self-check of its own has its speed by that, the others in proportion to the chosen one: the proportion
    of the computed speeds.
    """
    ours = devices.device(chosen)
    speeds = {}
    for name in others:
        own = find(calibration, key_of(name, settings)).calibration
        best = own.best(settings.precision) if own else None
        if best is not None:
            speeds[name] = replace(known.speeds, snippets_per_second=best.snippets_per_second)
        elif ours is not None and (row := devices.device(name)):
            share = assumed(row, settings).snippets_per_second / assumed(ours, settings).snippets_per_second
            speeds[name] = replace(known.speeds, snippets_per_second=known.speeds.snippets_per_second * share)
    return speeds


def fit_decoding(speeds: Sequence[DecodeSpeed]) -> tuple[float, dict[str, float]]:
    """Measured decoding as seconds per frame of any size, and per pixel by codec, each of one core.

    The first comes from a straight line through all points, kept between nothing and the fastest point; what it leaves
    of each point is its pixels', by a line for each codec. Both lines are least squares.
    """
    points = [
        (speed.width * speed.height, speed.processes / speed.frames_per_second, speed.codec)
        for speed in speeds
        if speed.frames_per_second
    ]
    pixels, seconds = [point[0] for point in points], [point[1] for point in points]
    mean_pixels, mean_seconds = fmean(pixels), fmean(seconds)
    spread = sum((each - mean_pixels) ** 2 for each in pixels)
    slope = 0.0
    if spread:
        slope = sum((p - mean_pixels) * (s - mean_seconds) for p, s in zip(pixels, seconds, strict=True)) / spread
    intercept = mean_seconds - slope * mean_pixels if spread else min(FRAME_SECONDS, min(seconds) / 2)
    frame_seconds = min(max(intercept, 0.0), min(seconds))

    def per_pixel(codecs: Collection[str]) -> float:
        of_codecs = [(size, each - frame_seconds) for size, each, codec in points if codec in codecs]
        return sum(size * rest for size, rest in of_codecs) / sum(size**2 for size, _ in of_codecs)

    codecs = {codec for _, _, codec in points}
    return frame_seconds, {codec: per_pixel({codec}) for codec in codecs} | {OTHER_CODECS: per_pixel(codecs)}


def _with_processes(speeds: Sequence[DecodeSpeed], processes: int) -> list[DecodeSpeed]:
    """Those measured with the number of processes that is nearest."""
    nearest = min((speed.processes for speed in speeds), key=lambda tried: abs(tried - processes))
    return [speed for speed in speeds if speed.processes == nearest]
