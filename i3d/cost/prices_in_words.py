"""What the work will take, in words: time on this machine, or GPU hours and RGU hours of a cluster."""

import math
from collections.abc import Mapping, Sequence

from i3d.cost.speeds import Known
from i3d.cost.work import Speeds, VideoWork
from i3d.quantities import duration

DECODE_START_SECONDS = 3.0  # Python, the decoders and Snakemake's own part of a job
DECODE_THREADS = 4  # of one decode job on a machine with as many cores, as in rules/decode.smk
NEARLY_AS_FAST = 1.03
WORTH_COMPARING = 0.1  # hours, below which devices are not compared

Bundles = Sequence[Sequence[VideoWork]]


def seconds_here(bundles: Bundles, known: Known, cores: int) -> float:
    """Seconds that a local run takes for these bundles: decoding and extraction take turns on the same cores."""
    together = max(1, cores // min(DECODE_THREADS, cores))  # decode jobs at once
    threads = min(DECODE_THREADS, cores) * min(together, max(1, len(bundles)))
    decoding = sum(_decode_seconds(video, known.speeds) for bundle in bundles for video in bundle) / threads
    longest = max((_decode_seconds(video, known.speeds) for bundle in bundles for video in bundle), default=0.0)
    network = known.speeds.network_seconds(sum(video.snippets for bundle in bundles for video in bundle))
    starting = len(bundles) * (known.start_seconds + DECODE_START_SECONDS)
    return max(decoding, longest) + network + starting


def time_text(bundles: Bundles, known: Known, cores: int) -> str:
    """The time that a local run will take, and where that is known from."""
    if known.guessed:
        return f"how long on this machine is not known: its GPU is in no table; {known.why}"
    return f"about {duration(seconds_here(bundles, known, cores))} on this machine ({source_text(known)})"


def source_text(known: Known) -> str:
    """Where the speeds come from, and why not from a self-check."""
    return known.speeds.source + (f"; {known.why}" if known.why else "")


def gpu_hours(bundles: Bundles, speeds: Speeds, start_seconds: float, decode_threads: int) -> float:
    """Hours that jobs hold a GPU for: decode and extract of a bundle run at the same time."""
    return sum(start_seconds + speeds.bundle_seconds(bundle, decode_threads) for bundle in bundles) / 3600


def price_text(
    bundles: Bundles,
    chosen: str,
    known: Known,
    others: Mapping[str, Speeds],
    *,
    charged: Mapping[str, float],
    decode_threads: int,
) -> str:
    """GPU hours, and what they are charged as, on the chosen device and on others, the cheapest and fastest marked.

    `others` are `speeds.of_others`, and may have the chosen one among them, which says where its row stands; `charged`
    are the RGUs that a job is charged for by device, of those whose charge is known.
    """
    if known.guessed:
        return f"how long is not known: {chosen} is in no table; {known.why}"
    speeds = {chosen: known.speeds} if chosen not in others else dict(others)
    speeds[chosen] = known.speeds
    if len(speeds) == 1:
        speeds |= others
    hours = {name: gpu_hours(bundles, each, known.start_seconds, decode_threads) for name, each in speeds.items()}
    if hours[chosen] < WORTH_COMPARING:
        return f"about {duration(hours[chosen] * 3600)} on {chosen} ({source_text(known)})"
    rgu = {name: hours[name] * charged[name] for name in speeds if name in charged}
    notes: dict[str, list[str]] = {name: [] for name in speeds}
    notes[chosen].append("in the profile")
    if len(speeds) > 1:
        if rgu:
            notes[min(rgu, key=lambda name: (rgu[name], hours[name]))].append("cheapest")
        soonest = NEARLY_AS_FAST * min(hours.values())
        fast = [name for name in speeds if hours[name] <= soonest]
        notes[min(fast, key=lambda name: rgu.get(name, math.inf))].append("fastest")
    width = max(map(len, speeds))
    lines = [source_text(known) + ("; others in proportion" if len(speeds) > 1 else "")]
    for name in speeds:
        line = f"  {name:<{width}}  {_hours(hours[name]):>8} GPU hours"
        line += f"  {_hours(rgu[name]):>8} RGU hours" if name in rgu else ""
        lines.append(line + (f"  {', '.join(notes[name])}" if notes[name] else ""))
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def _decode_seconds(video: VideoWork, speeds: Speeds) -> float:
    return speeds.decode_seconds(video.pixels, video.frames, video.codec)
