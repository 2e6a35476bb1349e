"""What the work will take, in words: time on this machine, or GPU hours and RGU hours of a cluster's slices."""

from collections.abc import Mapping, Sequence

from i3d.cost.speeds import Known
from i3d.cost.work import SLICES, Speeds, VideoWork, charged_rgu
from i3d.quantities import duration

DECODE_START_SECONDS = 3.0  # Python, the decoders and Snakemake's own part of a job
DECODE_THREADS = 4  # of one decode job on a machine with as many cores, as in rules/decode.smk
NEARLY_AS_FAST = 1.03

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
    slices: Mapping[str, Speeds],
    *,
    decode_threads: int,
    cpus: int,
    memory_gb: float,
) -> str:
    """GPU hours and RGU hours on each slice, the profile's first named, the cheapest and the fastest marked.

    `slices` are `speeds.other_slices`; `cpus` and `memory_gb` are what one job asks for.
    """
    hours = {name: gpu_hours(bundles, each, known.start_seconds, decode_threads) for name, each in slices.items()}
    rgu = {name: hours[name] * charged_rgu(name, cpus, memory_gb) for name in slices}
    cheapest = min(slices, key=lambda name: (rgu[name], hours[name]))
    soonest = NEARLY_AS_FAST * min(hours.values())
    fastest = min((name for name in slices if hours[name] <= soonest), key=lambda name: rgu[name])
    notes = {name: [] for name in slices}  # type: dict[str, list[str]]
    if chosen in notes:
        notes[chosen].append("in the profile")
    notes[cheapest].append("cheapest")
    notes[fastest].append("fastest")
    width = max(map(len, SLICES))
    lines = [source_text(known) + ("; other slices in proportion" if chosen in SLICES else "")]
    for name in slices:
        line = f"  {name:<{width}}  {_hours(hours[name]):>8} GPU hours  {_hours(rgu[name]):>8} RGU hours"
        lines.append(line + (f"  {', '.join(notes[name])}" if notes[name] else ""))
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def _decode_seconds(video: VideoWork, speeds: Speeds) -> float:
    return speeds.decode_seconds(video.pixels, video.frames, video.codec)
