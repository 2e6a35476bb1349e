"""The plan in a few lines, as `snakemake -n` opens with it and `make status` prints it."""

from collections.abc import Iterable, Sequence

from i3d.planning.catalog import Known
from i3d.planning.cost import SLICES, assumed
from i3d.planning.plan import ASSUMED_FRAMES, Plan
from i3d.quantities import count, duration, size
from i3d.records.outcomes import FAILED, Record, fits_video, read_outcomes, staged

NAMED = 5  # skipped or failed videos that the text names
# As in model.py and stream.py, which would bring torch and numpy to the Snakefile.
CROP_BYTES = 2048 * 4
FRAME_BYTES = 256 * 340 * 3


def status_text(plan: Plan, full_list: str, named: int = NAMED) -> str:
    """The plan for people: what there is, what is to do and what it will take.

    At most `named` of the skipped and of the failed videos are named; `full_list` says where all are.
    """
    entries = [entry for bundle in plan.bundles for entry in bundle["videos"]]
    ready = sum(staged(plan.work.staging, entry, plan.fingerprint) is not None for entry in entries)
    lines = [
        ("videos", _videos(plan, ready)),
        ("length", _length(plan)),
    ]
    if entries:
        frames = [entry["frames"] for entry in entries]
        lines += [
            ("bundles", f"{len(plan.bundles):,}, the largest of {max(_bundle_frames(plan)):,} frames"),
            ("GPU time", _gpu_time(plan, frames)),
            ("to write", _to_write(plan, frames)),
        ]
    failed = failures(plan)
    if failed:
        lines.append(
            ("failed", f"{count(len(failed), 'video')} last time, now tried again" + _names(failed, named, full_list))
        )
    if plan.skipped:
        lines.append(("skipped", count(len(plan.skipped), "video") + _names(plan.skipped, named, full_list)))
    return "\n".join(f"{name:<10}{text}" for name, text in lines)


def failures(plan: Plan) -> dict[str, str]:
    """Pending videos whose last try failed, with the reason."""
    records = read_outcomes(plan.work.outcomes)
    return {
        video: records[video]["reason"]
        for video in plan.pending
        if video in records and _has_failed(records[video], plan.videos[video], plan.fingerprint)
    }


def _has_failed(record: Record, known: Known, fingerprint: str) -> bool:
    return record["status"] == FAILED and fits_video(record, known.digest, fingerprint)


def _videos(plan: Plan, ready: int) -> str:
    text = f"{len(plan.videos):,}: {len(plan.present):,} present, {len(plan.pending):,} to extract"
    if ready:
        text += f" ({ready:,} of them ready, waiting for their bundle)"
    return f"{text}, {len(plan.skipped):,} skipped"


def _length(plan: Plan) -> str:
    whole = _hours(plan, plan.videos)
    return f"{whole} of video" + (f", {_hours(plan, plan.pending)} to extract" if plan.pending else "")


def _hours(plan: Plan, videos: Iterable[str]) -> str:
    """Duration of the videos whose frame count and rate are known."""
    seconds = 0.0
    for video in videos:
        probe = plan.videos[video].probe
        rate = plan.settings["fps"] or probe.fps
        if probe.frames and rate:
            seconds += probe.frames / rate
    return duration(seconds)


def _bundle_frames(plan: Plan) -> list[int]:
    return [sum(entry["frames"] for entry in bundle["videos"]) for bundle in plan.bundles]


def _gpu_time(plan: Plan, frames: Sequence[int]) -> str:
    total = sum(_snippets(plan, length) for length in frames)
    times = (f"{name} {duration(assumed(name, plan.settings).network_seconds(total))}" for name in SLICES)
    return f"{', '.join(times)} (computed for {plan.settings['precision']}, not measured)"


def _to_write(plan: Plan, frames: Sequence[int]) -> str:
    crops = 10 if plan.settings["sample_mode"] == "oversample" else 1
    features = sum(_snippets(plan, length) for length in frames) * crops * CROP_BYTES
    on_its_way = max(_bundle_frames(plan)) * FRAME_BYTES
    unknown = sum(plan.videos[video].probe.frames is None for video in plan.pending)
    guess = f"; {count(unknown, 'video')} of unknown length taken for {ASSUMED_FRAMES} frames" if unknown else ""
    return (
        f"{count(len(frames), 'feature file')}, {size(features)}; "
        f"up to {size(on_its_way)} of frames per running bundle{guess}"
    )


def _snippets(plan: Plan, frames: int) -> int:
    """Snippets of a video that is long enough, and of one whose count was underestimated, one."""
    return max(1, (frames - plan.settings["clip_length"]) // plan.settings["frequency"] + 1)


def _names(reasons: dict[str, str], named: int, full_list: str) -> str:
    text = "".join(f"\n  {video}: {reason}" for video, reason in list(reasons.items())[:named])
    return text + (f"\n  and {len(reasons) - named:,} more, {full_list}" if len(reasons) > named else "")
