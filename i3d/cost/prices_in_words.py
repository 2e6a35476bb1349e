"""Prices in words: time on this machine, or GPU hours and RGU hours of a cluster."""

import math
from collections.abc import Mapping, Sequence

from i3d.cost.speeds import KnownSpeeds
from i3d.cost.work import Speeds, VideoWork
from i3d.quantities import duration

DECODE_START_SECONDS = 3.0  # for Python, the decoders and Snakemake's own part of a job
DECODE_THREADS = 4  # of one decode job on a machine with that many cores
NEARLY_AS_FAST = 1.03
WORTH_COMPARING = 0.1  # hours, below which devices are not compared

Bundles = Sequence[Sequence[VideoWork]]


def seconds_here(bundles: Bundles, known: KnownSpeeds, cores: int) -> float:
    """Return the seconds of a local run over these bundles, which decodes and extracts by turns on the same cores."""
    together = max(1, cores // min(DECODE_THREADS, cores))  # decode jobs at once
    threads = min(DECODE_THREADS, cores) * min(together, max(1, len(bundles)))
    videos = [video for bundle in bundles for video in bundle]
    decoding = [known.speeds.decode_seconds(video.pixels, video.frames, video.codec) for video in videos]
    network = known.speeds.network_seconds(sum(video.snippets for video in videos))
    starting = len(bundles) * (known.start_seconds + DECODE_START_SECONDS)
    return max(sum(decoding) / threads, max(decoding, default=0.0)) + network + starting


def time_text(bundles: Bundles, known: KnownSpeeds, cores: int) -> str:
    """Return the time of a local run, with the source of the estimate."""
    if known.guessed:
        return f"an unknown time on this machine: its GPU is in no table; {known.why}"
    return f"about {duration(seconds_here(bundles, known, cores))} on this machine ({_source(known)})"


def _source(known: KnownSpeeds) -> str:
    """Return the source of the speeds, and why it is not a self-check."""
    return known.speeds.source + (f"; {known.why}" if known.why else "")


def _gpu_hours(bundles: Bundles, speeds: Speeds, start_seconds: float, decode_threads: int) -> float:
    """Return the hours for which jobs hold a GPU, with decode and extract of a bundle at the same time."""
    return sum(start_seconds + speeds.bundle_seconds(bundle, decode_threads) for bundle in bundles) / 3600


def price_text(
    bundles: Bundles,
    chosen: str,
    known: KnownSpeeds,
    others: Mapping[str, Speeds],
    *,
    charged: Mapping[str, float],
    decode_threads: int,
) -> str:
    """Return GPU hours and RGU hours on the chosen device and on others, with the cheapest and fastest marked.

    `others` are from `speeds.of_others`, and may include the chosen device, at the place of its row; `charged` are the
    RGUs charged for a job by device, where known.
    """
    if known.guessed:
        return f"an unknown time: {chosen} is in no table; {known.why}"
    speeds = {**others, chosen: known.speeds} if chosen in others else {chosen: known.speeds, **others}
    hours = {name: _gpu_hours(bundles, each, known.start_seconds, decode_threads) for name, each in speeds.items()}
    if hours[chosen] < WORTH_COMPARING:
        return f"about {duration(hours[chosen] * 3600)} on {chosen} ({_source(known)})"
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
    lines = [_source(known) + ("; others in proportion" if len(speeds) > 1 else "")]
    for name in speeds:
        line = f"  {name:<{width}}  {_hours(hours[name]):>8} GPU hours"
        line += f"  {_hours(rgu[name]):>8} RGU hours" if name in rgu else ""
        lines.append(line + (f"  {', '.join(notes[name])}" if notes[name] else ""))
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"
