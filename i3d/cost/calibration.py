"""The calibration file: what self-checks proved and measured, one entry per device and kind of work.

Planning and jobs look up an entry by a `Key`; an entry measured under other circumstances is not used, with a reason.
Needs no library but msgspec, so that planning starts quickly.
"""

import fcntl
import os
from contextlib import suppress
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
    tuning_seconds: float  # extra time of the first batch
    peak_memory_mb: float | None  # of the GPU, in MiB; None on a CPU


class DecodeSpeed(msgspec.Struct, frozen=True):
    """The speed of decoding and resizing videos of one kind with a number of processes."""

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
    """The result of a self-check. It is valid for the fields that `Key` has by the same name."""

    device: str
    torch: str
    cudnn: str | None  # None on a CPU
    model: str
    sample_mode: str
    clip_length: int
    frame_pooling: str | None = None  # of image towers alone
    hardware: str  # the GPU or processor, by torch's or the system's name
    measured: str  # when it ended, ISO 8601, UTC
    host: str
    cpus: int
    facts: dict[str, str]  # about device, driver, libraries and processor
    passed: tuple[str, ...]  # precisions with correct numbers
    failed: dict[str, str]  # the others that were tried, with what was wrong
    network: tuple[NetworkSpeed, ...]
    decoding: tuple[DecodeSpeed, ...]
    start_seconds: float  # from an extract job's start to its first batch
    pipe_frames_per_second: float | None  # decode and extract together
    recommended: Recommendation | None  # None if not even fp32 passed

    def best(self, precision: str) -> NetworkSpeed | None:
        """Return the best speed measured in a precision; None without one."""
        speeds = [speed for speed in self.network if speed.precision == precision]
        return max(speeds, key=lambda speed: speed.snippets_per_second, default=None)


class Key(msgspec.Struct, frozen=True):
    """The circumstances that a calibration must match.

    `device` is the SLURM slice or this machine's processor for a plan, and torch's name for it in a job. Only a job
    knows its `cudnn`, and only an environment with torch its version; None matches any.
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
    """The matching calibration, or None with the reason."""

    calibration: Calibration | None
    reason: str = ""


class _File(msgspec.Struct):
    calibrations: list[Calibration] = []


_WORDS = {
    **{"torch": "torch {}", "cudnn": "cuDNN {}", "model": "{}", "sample_mode": "{}", "clip_length": "clip_length {}"},
    "frame_pooling": "frame_pooling {}",
}


def _command() -> str:
    return commands.snakemake("selfcheck", cores="all")


def find(path: Path, key: Key) -> Found:
    """Look up the calibration for this key; a missing, damaged or stale one yields a reason, not an error."""
    if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for a folder that must not be entered)
        return Found(None, f"no self-check has been run: {_command()} measures it")
    try:
        entries = read(path)
    except UserError as error:
        return Found(None, str(error))
    same_device = [entry for entry in entries if key.device in (entry.device, entry.hardware)]
    if not same_device:
        others = ", ".join(sorted({entry.device for entry in entries})) or "nothing"
        return Found(None, f"the self-check was run on {others}, not on {key.device}: run {_command()} there")
    nearest = min(same_device, key=lambda entry: len(_differences(entry, key)))
    if differences := _differences(nearest, key):
        measured, wanted = zip(*differences, strict=True)
        return Found(
            None,
            f"the self-check on {key.device} of {nearest.measured[:10]} was with {', '.join(measured)}, "
            f"and now it is {', '.join(wanted)}: run {_command()} there again",
        )
    if key.precision in nearest.failed:
        return Found(None, f"precision {key.precision} failed the self-check on {key.device}")
    if nearest.best(key.precision) is None:
        reason = f"the self-check on {key.device} did not measure precision {key.precision}"
        return Found(None, f"{reason}: run {_command()} there")
    return Found(nearest)


def refuse_failed(path: Path, key: Key) -> None:
    """Raise UserError if the key's precision failed its self-check on this device with these versions."""
    for entry in _of_device(path, key):
        if key.precision in entry.failed:
            better = f"set precision: {entry.recommended.precision}, or " if entry.recommended else ""
            raise UserError(
                f"precision: {key.precision} failed the self-check on {key.device} on {entry.measured[:10]} "
                f"({entry.failed[key.precision]}); {better}run {_command()} there again after a change of driver or "
                "libraries"
            )


def passed_precisions(path: Path, key: Key) -> set[str] | None:
    """Return the precisions that passed a self-check on the key's device with its versions and model; or None."""
    entries = _of_device(path, key)
    return {precision for entry in entries for precision in entry.passed} if entries else None


def read(path: Path) -> list[Calibration]:
    """Return the file's entries. Raises UserError if it is no calibration file."""
    try:
        return read_json(path, _File).calibrations
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no calibration file ({error}): delete it and run {_command()} there") from None


def save(path: Path, calibration: Calibration) -> None:
    """Save an entry in place of an older one for the same device, model and kind of snippet.

    Other entries are kept, also those being saved by other machines at the same time. A damaged file is kept beside the
    new one as `.damaged`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    with lock:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            entries = read(path) if path.exists() else []
        except UserError:
            keep_aside(path)
            entries = []
        kept = [entry for entry in entries if _work_of(entry) != _work_of(calibration)]
        content = msgspec.json.format(msgspec.json.encode(_File([*kept, calibration])), indent=1)
        write_atomically(path, content + b"\n")


def _work_of(entry: Calibration) -> tuple[object, ...]:
    return entry.device, entry.model, entry.sample_mode, entry.clip_length, entry.frame_pooling


def _of_device(path: Path, key: Key) -> list[Calibration]:
    """Return the entries for the key's device, versions and model; none if the file is missing or damaged."""
    try:
        entries = read(path)
    except UserError:
        return []
    return [
        entry
        for entry in entries
        if key.device in (entry.device, entry.hardware)
        and key.torch in (None, entry.torch)
        and entry.model == key.model
        and key.cudnn in (None, entry.cudnn)
    ]


def _differences(entry: Calibration, key: Key) -> list[tuple[str, str]]:
    """Return what differs between the two, as pairs of measured and wanted."""
    fields = [name for name in _WORDS if getattr(key, name) is not None and getattr(key, name) != getattr(entry, name)]
    return [(_WORDS[name].format(getattr(entry, name)), _WORDS[name].format(getattr(key, name))) for name in fields]
