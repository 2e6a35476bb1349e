"""The content of the landing page, from the tables of a features tree."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from i3d import quantities
from i3d.records.record import FAILED, OK, SKIPPED, Row
from i3d.report.speed import Speed, bundle_speeds, total_speed
from i3d.report.statistics import duration, status_counts
from i3d.settings import RANDOM

SUBSETS = 40  # on the page at most
RUNS = 5  # latest runs on the page
UNKNOWN = "not recorded"


def _weights(row: Row) -> str | None:
    if row.weights == RANDOM or not row.weights_sha256:
        return row.weights
    return f"{row.weights} (sha256 {row.weights_sha256[:12]})"


def _resampling(row: Row) -> str:
    if row.via_jpeg not in (None, False, "False"):
        return "through JPEG at a constant rate, as the original scripts had them"
    return f"{row.resample_fps:g} frames/s" if row.resample_fps else "every coded frame once"


# The settings that decide a feature's numbers, by their words on the page. Features of different values do not mix.
NUMERIC: dict[str, Callable[[Row], Any]] = {
    "weights": _weights,
    "model": attrgetter("model"),
    "normalization": attrgetter("normalization"),
    "precision": attrgetter("precision"),
    "crops": attrgetter("sample_mode"),
    "frequency": attrgetter("frequency"),
    "clip length": attrgetter("clip_length"),
    "frame pooling": attrgetter("frame_pooling"),
    "frames": _resampling,
}
OTHER: dict[str, Callable[[Row], Any]] = {"device": attrgetter("device"), "versions": attrgetter("versions")}


@dataclass(frozen=True)
class Setting:
    """A setting and its values with their numbers of videos, most frequent first."""

    name: str
    values: list[tuple[str, str]]
    numeric: bool

    @property
    def mixed(self) -> bool:
        return len(self.values) > 1


@dataclass(frozen=True)
class Warn:
    """A warning before training; loud if the features as a whole are unfit for it."""

    head: str
    body: str = ""
    loud: bool = False


@dataclass(frozen=True)
class Link:
    """A file beside the page, and its finding."""

    target: str
    title: str
    finding: str


@dataclass(frozen=True)
class Stage:
    """A box in the picture of the workflow."""

    name: str
    lines: list[str]


@dataclass(frozen=True)
class Landing:
    """The content of the page, in words."""

    title: str
    tree: str
    last_run: str
    warnings: list[Warn]
    numbers: list[tuple[str, str]]
    stages: list[Stage]
    settings: list[Setting]
    links: list[Link]
    subset_columns: Sequence[str]
    subsets: list[tuple[str, list[str]]]
    runs: list[list[str]]


def landing(
    rows: Sequence[Row],
    runs: Sequence[Mapping[str, Any]],
    tree: Path,
    links: Sequence[Link] = (),
    found: Sequence[Warn] = (),
    orphaned: int = 0,
) -> Landing:
    """Describe the features tree at `tree` by its `rows`, without orphaned ones, and its run summaries `runs`.

    `found` are warnings from the features themselves; `links` lead to the pages beside this one.
    """
    done = [row for row in rows if row.status == OK]
    used = settings(done)
    speed = total_speed(rows)
    return Landing(
        title=title(rows),
        tree=str(tree),
        last_run=str(runs[-1].get("run_date", "")) if runs else "",
        warnings=[*_setting_warnings(done, used), *found, *_video_warnings(rows, orphaned)],
        numbers=_numbers(rows, done, speed),
        stages=_stages(rows, done, len(runs), speed),
        settings=used,
        links=list(links),
        subset_columns=("videos", OK, SKIPPED, FAILED, "duration", "snippets"),
        subsets=_subsets(rows),
        runs=[_run(run) for run in reversed(runs[-RUNS:])],
    )


def title(rows: Sequence[Row]) -> str:
    """How many of the videos have features."""
    done = sum(row.status == OK for row in rows)
    if done == len(rows):
        return f"{'All ' if done > 1 else ''}{quantities.count(done, 'video')} {'have' if done > 1 else 'has'} features"
    return f"{done:,} of {quantities.count(len(rows), 'video')} {'has' if done == 1 else 'have'} features"


def settings(done: Iterable[Row]) -> list[Setting]:
    """The settings of the features in the tree, without settings that no row has."""
    done = list(done)
    used = []
    for name, value_of in (NUMERIC | OTHER).items():
        counts = Counter(UNKNOWN if (value := value_of(row)) in (None, "") else str(value) for row in done)
        if set(counts) - {UNKNOWN}:
            values = [(value, quantities.count(count, "video")) for value, count in counts.most_common()]
            used.append(Setting(name, values, name in NUMERIC))
    return used


def _setting_warnings(done: Sequence[Row], used: Iterable[Setting]) -> list[Warn]:
    warnings = []
    if random := sum(row.weights == RANDOM for row in done):
        body = "These features mean nothing; they show that the workflow runs."
        if random < len(done):
            body = f"The features of {quantities.count(random, 'video')} mean nothing; extract them again."
        warnings.append(Warn("The weights are random.", body, loud=True))
    for setting in used:
        values = "; ".join(f"{value}: {videos}" for value, videos in setting.values)
        if setting.mixed and setting.numeric:
            head = f"Features of different settings in one tree: {setting.name}."
            warnings.append(Warn(head, f"{values}. Do not train on both: extract one of them again.", loud=True))
        elif setting.mixed:
            warnings.append(Warn(f"Extracted with more than one {setting.name.removesuffix('s')}:", f"{values}."))
    return warnings


def _video_warnings(rows: Sequence[Row], orphaned: int) -> list[Warn]:
    warnings = []
    if not any(row.status == OK for row in rows):
        warnings.append(Warn("No video has features.", "The figures are empty until one has.", loud=True))
    if failed := sum(row.status == FAILED for row in rows):
        warnings.append(Warn(f"{quantities.count(failed, 'video')} failed.", "Run the workflow again to retry."))
    if damaged := sum(bool(row.damaged) for row in rows if row.status == OK):
        head = f"{quantities.count(damaged, 'damaged video')}:"
        warnings.append(Warn(head, "their features cover what could be decoded."))
    if orphaned:
        head = f"{quantities.count(orphaned, 'orphaned feature')}:"
        warnings.append(Warn(head, "the video is gone. They are in no count here."))
    return warnings


def _numbers(rows: Sequence[Row], done: Sequence[Row], speed: Speed | None) -> list[tuple[str, str]]:
    seconds = sum(duration(row) or 0 for row in done)
    numbers = [
        (f"{len(done):,}", f"of {quantities.count(len(rows), 'video')}"),
        (quantities.duration(seconds), "of video"),
        (f"{sum(row.snippets or 0 for row in done):,}", "snippets"),
    ]
    if speed:
        numbers.append((f"{speed.rate:,.0f}", f"frames/s for {quantities.duration(speed.seconds)}"))
    return numbers


def _stages(rows: Sequence[Row], done: Sequence[Row], runs: int, speed: Speed | None) -> list[Stage]:
    """The stages of the workflow, with this tree's counts."""
    skipped = Counter(reason_kind(row.reason) for row in rows if row.status == SKIPPED)
    decoded = [row for row in rows if row.frames_decoded and row.status != SKIPPED]
    decoders = Counter(row.decoder for row in decoded if row.decoder)
    shapes = dict.fromkeys(f"(snippets, {row.crops}, {row.dim})" for row in done if row.crops and row.dim)
    extract = [quantities.count(sum(row.snippets or 0 for row in done), "snippet")]
    if names := {row.bundle for row in done} - {None}:
        extract.insert(0, quantities.count(len(names), "bundle"))
    if speed:
        extract += [f"{quantities.duration(speed.seconds)}, {speed.rate:,.0f} frames/s", speed.device]
    rates = sorted(round(bundle.rate) for bundle in bundle_speeds(rows))
    if len(set(rates)) > 1:
        extract.append(f"bundles: {rates[0]:,} to {rates[-1]:,} frames/s")
    left_out = [f"{count:,} {kind}" for kind, count in skipped.most_common(4)]
    by_decoder = [f"{name}: {quantities.count(count, 'video')}" for name, count in decoders.most_common()]
    return [
        Stage("videos", [quantities.count(len(rows), "video"), *left_out]),
        Stage("decode", [quantities.count(sum(row.frames_decoded or 0 for row in decoded), "frame"), *by_decoder]),
        Stage("extract", [line for line in extract if line]),
        Stage("feature", [quantities.count(len(done), ".npy file"), *shapes]),
        Stage("aggregate", [f"metadata.csv: {quantities.count(len(rows), 'row')}",
                            f"feature_config.txt: {quantities.count(runs, 'run')}"]),
    ]  # fmt: skip


def reason_kind(reason: str | None) -> str:
    """The kind of a reason, the text before its colon: `too short`, `unreadable`."""
    return (reason or "").partition(":")[0].strip() or "no reason given"


def _subsets(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    seconds: dict[str, float] = defaultdict(float)
    snippets: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.status == OK:
            seconds[row.subset] += duration(row) or 0
            snippets[row.subset] += row.snippets or 0
    table = [
        (name, [f"{sum(counts.values()):,}", *(f"{counts[status]:,}" for status in (OK, SKIPPED, FAILED)),
                quantities.duration(seconds[name]), f"{snippets[name]:,}"])
        for name, counts in status_counts(rows).items()
    ]  # fmt: skip
    if len(table) > SUBSETS:
        rest = len(table) - SUBSETS
        table = [*table[:SUBSETS], (f"and {rest:,} more, see metadata.csv", [""] * 6)]
    return table


def _run(run: Mapping[str, Any]) -> list[str]:
    keys = ("run_date", "total_videos", "processed_videos", "videos_skipped", "failed_videos", "not_done_videos")
    return [f"{value:,}" if isinstance(value := run.get(key, ""), int) else str(value) for key in keys]
