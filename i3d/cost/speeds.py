"""A machine's speed, from the best available source: its self-check, earlier runs, or assumptions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import linear_regression

from i3d.cost import devices
from i3d.cost.calibration import Calibration, DecodeSpeed, Key, find
from i3d.cost.work import FRAME_SECONDS, OTHER_CODECS, UNKNOWN_DEVICE, Speeds, assumed, snippet_tflop
from i3d.quantities import count
from i3d.records.record import OK, VideoRecord
from i3d.settings import NumericSettings

START_SECONDS = 15.0  # until an extract job has loaded Python, torch and the weights; 3 to 20 were measured
CPU_TFLOPS = 0.05  # of one CPU with AVX2 in any precision: 0.05 to 0.2 were measured in fp32
ENOUGH_SNIPPETS = 20  # of earlier runs, to rely on them
SAME_WORK = ("model", "sample_mode", "clip_length", "frame_pooling", "precision")  # what the network's speed depends on


@dataclass(frozen=True)
class KnownSpeeds:
    """Speeds, the time to start an extract job, and why there is no better source (empty for a calibration)."""

    speeds: Speeds
    start_seconds: float = START_SECONDS
    why: str = ""
    guessed: bool = False  # the speeds are another GPU's, as this one is in no table and was never measured


def known_speeds(
    device: str,
    settings: NumericSettings,
    calibration: Path,
    records: Iterable[VideoRecord] = (),
    *,
    on_gpu: bool,
    cpus: int,
    decode_threads: int,
) -> KnownSpeeds:
    """Return the speeds of a device, named by `machine.device_name`, for the settings of a plan.

    `records` are of earlier runs on the tree, `cpus` those of a local run, `decode_threads` the processes that decode a
    bundle.
    """
    found = find(calibration, _key_of(device, settings))
    if found.calibration is not None:
        speeds = _of_calibration(found.calibration, settings.precision, decode_threads)
        return KnownSpeeds(speeds, found.calibration.start_seconds)
    if (earlier := of_earlier_runs(records, device, settings, on_gpu=on_gpu)) is not None:
        return KnownSpeeds(earlier, why=found.reason)
    if not on_gpu:
        return KnownSpeeds(Speeds(CPU_TFLOPS * cpus / snippet_tflop(settings), "assumed"), why=found.reason)
    row = devices.device(device)
    speeds = assumed(row or devices.devices()[UNKNOWN_DEVICE], settings)
    return KnownSpeeds(speeds, why=found.reason, guessed=row is None)


def _key_of(device: str, settings: NumericSettings) -> Key:
    """Return the key of a device's calibration for a plan."""
    try:
        torch = version("torch")
    except PackageNotFoundError:  # the jobs have an environment of their own, as with `--sdm conda`
        torch = None
    return Key(device=device, torch=torch, **{name: getattr(settings, name) for name in SAME_WORK})


def _of_calibration(calibration: Calibration, precision: str, decode_threads: int) -> Speeds:
    """Return the measured speeds; `calibration` must have the precision."""
    best = calibration.best(precision)
    assert best is not None
    time = calibration.measured[:16].replace("T", " ")
    speeds = Speeds(best.snippets_per_second, f"measured on {calibration.device} at {time}")
    if not calibration.decoding:
        return speeds
    frame_seconds, pixel_seconds = fit_decoding(with_processes(calibration.decoding, decode_threads))
    return replace(speeds, frame_seconds=frame_seconds, pixel_seconds=pixel_seconds)


def of_earlier_runs(
    records: Iterable[VideoRecord], device: str, settings: NumericSettings, *, on_gpu: bool
) -> Speeds | None:
    """Return the speed at which videos of this tree were processed on such a device; None for too few of them.

    Only videos under settings with the same cost count. A record's seconds are its share of its bundle's time, so the
    network's speed includes waiting for frames.
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
    """Whether a record's device, `cpu` or torch's name of a GPU, is that of a plan; `on_gpu`: the plan's is a GPU."""
    if not on_gpu:
        return recorded == "cpu"
    return devices.main_name(planned) == devices.main_name(recorded)


def of_others(
    chosen: str, others: Iterable[str], known: KnownSpeeds, settings: NumericSettings, calibration: Path
) -> dict[str, Speeds]:
    """Return the speeds of other devices: measured, or the `known` ones scaled by the ratio of computed speeds."""
    ours = devices.device(chosen)
    speeds = {}
    for name in others:
        own = find(calibration, _key_of(name, settings)).calibration
        best = own.best(settings.precision) if own else None
        if best is not None:
            speeds[name] = replace(known.speeds, snippets_per_second=best.snippets_per_second)
        elif ours is not None and (row := devices.device(name)):
            share = assumed(row, settings).snippets_per_second / assumed(ours, settings).snippets_per_second
            speeds[name] = replace(known.speeds, snippets_per_second=known.speeds.snippets_per_second * share)
    return speeds


def fit_decoding(speeds: Sequence[DecodeSpeed]) -> tuple[float, dict[str, float]]:
    """Fit measured decoding by seconds on one core: per frame of any size, and per pixel by codec.

    The first is the intercept of a least-squares line through all points, limited to between 0 and the fastest point.
    The rest of each point is fitted by a least-squares line through the origin for each codec.
    """
    points = [
        (speed.width * speed.height, speed.processes / speed.frames_per_second, speed.codec)
        for speed in speeds
        if speed.frames_per_second
    ]
    pixels, seconds = [point[0] for point in points], [point[1] for point in points]
    several_sizes = len(set(pixels)) > 1
    intercept = linear_regression(pixels, seconds).intercept if several_sizes else min(FRAME_SECONDS, min(seconds) / 2)
    frame_seconds = min(max(intercept, 0.0), min(seconds))

    def per_pixel(codecs: Collection[str]) -> float:
        of_codecs = [(size, each - frame_seconds) for size, each, codec in points if codec in codecs]
        return sum(size * rest for size, rest in of_codecs) / sum(size**2 for size, _ in of_codecs)

    codecs = {codec for _, _, codec in points}
    return frame_seconds, {codec: per_pixel({codec}) for codec in codecs} | {OTHER_CODECS: per_pixel(codecs)}


def with_processes(speeds: Sequence[DecodeSpeed], processes: int) -> list[DecodeSpeed]:
    """Return the speeds measured with the nearest number of processes."""
    nearest = min((speed.processes for speed in speeds), key=lambda tried: abs(tried - processes), default=0)
    return [speed for speed in speeds if speed.processes == nearest]
