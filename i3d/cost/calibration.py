"""The calibration file: what self-checks proved and measured, one entry per device and kind of work.

Planning and jobs look an entry up by a `Key`. One that was measured under other circumstances is not used, and the
reason is said. Needs msgspec alone, so that planning starts quickly.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from i3d import commands
from i3d.errors import UserError
from i3d.files import keep_aside, read_json, write_atomically, writing


class NetworkSpeed(msgspec.Struct, frozen=True):
    """The network's speed in one precision with batches of one size."""

    precision: str
    batch_size: int  # snippets per pass
    snippets_per_second: float
    tuning_seconds: float  # that the first batch took longer than the others
    peak_memory_mb: float | None  # of the GPU, in MiB; None on a CPU


class DecodeSpeed(msgspec.Struct, frozen=True):
    """The speed of decoding and resizing videos of one kind with so many processes."""

    width: int  # pixels
    height: int
    codec: str
    processes: int
    frames_per_second: float


class Recommendation(msgspec.Struct, frozen=True):
    """Settings that suit the device."""

    precision: str
    batch_size: int
    decode_processes: int
    extract_threads: int
    bundle_frames: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One self-check. What `Key` has by the same name is what it is valid for."""

    device: str
    torch: str
    cudnn: str | None  # None on a CPU
    model: str
    sample_mode: str
    clip_length: int
    frame_pooling: str | None = None  # of image towers alone
    hardware: str  # the GPU or processor as torch or the system call it
    measured: str  # when it ended, ISO 8601, UTC
    host: str
    cpus: int
    facts: dict[str, str]  # all that was found out about device, driver, libraries and processor
    passed: tuple[str, ...]  # precisions whose numbers are right
    failed: dict[str, str]  # the others that were tried, with what was wrong
    network: tuple[NetworkSpeed, ...]
    decoding: tuple[DecodeSpeed, ...]
    start_seconds: float  # from an extract job's start to its first batch
    pipe_frames_per_second: float | None  # decode and extract together
    recommended: Recommendation | None  # None if not even fp32 passed

    def best(self, precision: str) -> NetworkSpeed | None:
        """The fastest that was measured in a precision; None if it was not."""
        speeds = [speed for speed in self.network if speed.precision == precision]
        return max(speeds, key=lambda speed: speed.snippets_per_second, default=None)


class Key(msgspec.Struct, frozen=True):
    """What a calibration must have been measured with to be of use.

    `device` is the SLURM slice or this machine's processor for a plan, torch's name for it in a job. Only a job knows
    its `cudnn`, and only an environment that has torch its version; None means that it is not asked for.
    """

    device: str
    torch: str | None
    model: str
    sample_mode: str
    clip_length: int
    precision: str
    cudnn: str | None = None
    frame_pooling: str | None = None


class Found(msgspec.Struct, frozen=True):
    """The calibration that fits, or None with the reason why none does."""

    calibration: Calibration | None
    reason: str = ""


class _File(msgspec.Struct):
    calibrations: list[Calibration] = []


_WORDS = {
    **{"torch": "torch {}", "cudnn": "cuDNN {}", "model": "{}", "sample_mode": "{}", "clip_length": "clip_length {}"},
    "frame_pooling": "frame_pooling {}",
}


def _run() -> str:
    return f"run {commands.snakemake('selfcheck', cores='all')} there"


def find(path: Path, key: Key) -> Found:
    """The calibration in the file at `path` for this key; never raises for a missing, damaged or stale one."""
    if not os.path.exists(path):  # noqa: PTH110 (which raises for a folder that must not be entered)
        return Found(None, f"no self-check has been run: {commands.snakemake('selfcheck', cores='all')} measures it")
    try:
        entries = read(path)
    except UserError as error:
        return Found(None, str(error))
    same_device = [entry for entry in entries if key.device in (entry.device, entry.hardware)]
    if not same_device:
        others = ", ".join(sorted({entry.device for entry in entries})) or "nothing"
        return Found(None, f"the self-check was run on {others}, not on {key.device}: {_run()}")
    nearest = min(same_device, key=lambda entry: len(_differences(entry, key)))
    if differences := _differences(nearest, key):
        measured, wanted = zip(*differences, strict=True)
        return Found(
            None,
            f"the self-check on {key.device} of {nearest.measured[:10]} was with {', '.join(measured)}, "
            f"and now it is {', '.join(wanted)}: {_run()} again",
        )
    if key.precision in nearest.failed:
        return Found(None, f"precision {key.precision} failed the self-check on {key.device}")
    if nearest.best(key.precision) is None:
        return Found(None, f"the self-check on {key.device} did not measure precision {key.precision}: {_run()}")
    return Found(nearest)


def refuse_failed(path: Path, key: Key) -> None:
    """Raise UserError if the key's precision failed its self-check on this device with these versions."""
    for entry in _of_device(path, key):
        if key.precision in entry.failed:
            better = f"set precision: {entry.recommended.precision}, or " if entry.recommended else ""
            raise UserError(
                f"precision: {key.precision} failed the self-check on {key.device} on {entry.measured[:10]} "
                f"({entry.failed[key.precision]}); {better}{_run()} again after a change of driver or libraries"
            )


def passed_precisions(path: Path, key: Key) -> set[str] | None:
    """The precisions that passed a self-check on the key's device with its versions and model; None without one."""
    entries = list(_of_device(path, key))
    return {precision for entry in entries for precision in entry.passed} if entries else None


def read(path: Path) -> list[Calibration]:
    """The file's entries. Raises UserError if it is no calibration file."""
    try:
        return read_json(path, _File).calibrations
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no calibration file ({error}): delete it and {_run()}") from None


def save(path: Path, calibration: Calibration) -> None:
    """Put an entry into the file, in place of an older one for the same device, model and kind of snippet.

    Entries of other machines stay, also those that are being saved at the same time. A damaged file is kept beside the
    new one as `.damaged`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            entries = read(path) if path.exists() else []
        except UserError:
            keep_aside(path)
            entries = []
        kept = [entry for entry in entries if _place(entry) != _place(calibration)]
        content = msgspec.json.format(msgspec.json.encode(_File([*kept, calibration])), indent=1)
        write_atomically(path, content + b"\n")


def _place(entry: Calibration) -> tuple[object, ...]:
    return entry.device, entry.model, entry.sample_mode, entry.clip_length, entry.frame_pooling


def _of_device(path: Path, key: Key) -> Iterable[Calibration]:
    """Entries that tell whether numbers are right on the key's device: the kind of snippet does not matter for that.

    None if the file is missing or damaged: plans say so, and a job goes on without it.
    """
    try:
        entries = read(path)
    except UserError:
        return
    for entry in entries:
        if (
            key.device in (entry.device, entry.hardware)
            and key.torch in (None, entry.torch)
            and entry.model == key.model
            and key.cudnn in (None, entry.cudnn)
        ):
            yield entry


def _differences(entry: Calibration, key: Key) -> list[tuple[str, str]]:
    """What differs between the two, each as what was measured and what is wanted."""
    fields = [name for name in _WORDS if getattr(key, name) is not None and getattr(key, name) != getattr(entry, name)]
    return [(_WORDS[name].format(getattr(entry, name)), _WORDS[name].format(getattr(key, name))) for name in fields]
