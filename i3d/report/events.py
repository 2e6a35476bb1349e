"""The magnitude of features along time beside the annotated events: does it tell them from the rest?

RTFM, MGFN and their kin take the magnitude of a snippet's features for the sign of an anomaly. Here is what it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from i3d import quantities as words
from i3d.exports.ground_truth import VideoTruth, load
from i3d.records.record import Row
from i3d.report.figures import FAINT, INK, LABEL_COLOURS, WIDTH, blank

ROWS, COLUMNS = 8, 2  # panels of a page
PAGES = 20  # at most; the CSV has every video
NORMAL, OUTSIDE, EVENT = "normal videos", "anomalies, outside events", "event"
EVENT_COLOUR = "#c8553d"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Track:
    """A video along its snippets: float64 magnitudes (snippets,), and each snippet's class (snippets,), as text.

    The magnitude is the L2 norm of a crop's features, averaged over the crops, as RTFM's test has it. A snippet is
    of an event if half of its frames or more are; it then has the event's name, or `event`.
    """

    truth: VideoTruth
    frequency: int
    magnitudes: np.ndarray
    classes: np.ndarray

    @property
    def row(self) -> Row:
        """The video."""
        return self.truth.row

    @property
    def frames_per_second(self) -> float | None:
        """The rate of the frames that the snippets were cut from, where it is known."""
        return self.row.resample_fps or self.row.fps


@dataclass(frozen=True)
class ClassSummary:
    """The magnitudes of all snippets of a class: how many, QUANTILES of them, and how well they stand out.

    `auc`: the chance that a snippet of this class has a larger magnitude than one of no event, ties counting half;
    None for the classes without events.
    """

    name: str
    snippets: int
    quantiles: tuple[float, ...]
    auc: float | None


def track(truth: VideoTruth, features: Path, frequency: int) -> Track:
    """Measure one video. Raises UserError when its feature is gone."""
    array = load(features / truth.row.feature_file)
    magnitudes = np.linalg.norm(array, axis=2).mean(axis=1, dtype=np.float64)
    classes = np.full(len(magnitudes), NORMAL if truth.row.label == 0 else OUTSIDE, object)
    starts = np.arange(len(magnitudes)) * frequency
    for segment in truth.segments:
        shared = np.minimum(starts + frequency, segment.last + 1) - np.maximum(starts, segment.first)
        classes[2 * shared >= frequency] = segment.name or EVENT
    return Track(truth, frequency, magnitudes, classes)


def summaries(tracks: Sequence[Track]) -> list[ClassSummary]:
    """One summary per class that occurs: normal videos, anomalies outside events, then the events by name.

    Where there are several kinds of events, all of them together come last.
    """
    if not tracks:
        return []
    values = np.concatenate([each.magnitudes for each in tracks])
    classes = np.concatenate([each.classes for each in tracks])
    finite = np.isfinite(values)
    values, classes = values[finite], classes[finite]
    calm = values[np.isin(classes, (NORMAL, OUTSIDE))]
    kinds = sorted(set(classes) - {NORMAL, OUTSIDE})
    groups = {name: values[classes == name] for name in (NORMAL, OUTSIDE, *kinds)}
    if len(kinds) > 1:
        groups["all events"] = values[~np.isin(classes, (NORMAL, OUTSIDE))]
    return [
        ClassSummary(
            name,
            len(own),
            tuple(float(value) for value in np.quantile(own, QUANTILES)),
            None if name in (NORMAL, OUTSIDE) or not len(calm) else auc(own, calm),
        )
        for name, own in groups.items()
        if len(own)
    ]


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The chance that a value of `higher` exceeds one of `lower`, ties counting half (Mann and Whitney's U)."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, "left") + np.searchsorted(ordered, higher, "right")
    return float(below.sum() / (2 * len(higher) * len(lower)))


def separation(found: Sequence[ClassSummary], note: str = "") -> Figure:
    """The spread of magnitudes in each class of snippets, and the AUC of each kind of event."""
    rated = [each for each in found if each.auc is not None]
    title = "No snippet lies in an annotated event"
    if rated:
        verdict = _verdict(rated[-1].auc or 0)
        title = f"Magnitude {verdict}: AUC {rated[-1].auc:.2f} of event snippets against all others"
    figure = blank(
        title,
        note or "magnitude per snippet, boxes: middle half and median, lines: from 5 % to 95 %; AUC 0.5 is chance",
        height=1.7 + 0.5 * max(len(found), 1),
    )
    axes = figure.subplots()
    axes.grid(axis="x")
    for place, each in enumerate(found):
        low, first, middle, third, high = each.quantiles
        colour = _colour(each.name)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="round")
        axes.barh(place, third - first, left=first, height=0.46, color=colour, alpha=0.55)
        axes.plot([middle] * 2, [place - 0.23, place + 0.23], color=INK, linewidth=1.6)
        said = words.count(each.snippets, "snippet") + ("" if each.auc is None else f" · AUC {each.auc:.2f}")
        axes.annotate(said, (high, place), xytext=(7, 0), textcoords="offset points", va="center", color=FAINT)
    axes.set_yticks(range(len(found)), [each.name for each in found])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(found) - 0.4, -0.6)
    if found:
        low, high = min(each.quantiles[0] for each in found), max(each.quantiles[-1] for each in found)
        space = (high - low) or 1
        axes.set_xlim(low - 0.05 * space, high + 0.42 * space)  # room for what is said beside the lines
    axes.set_xlabel("magnitude")
    return figure


def _verdict(value: float) -> str:
    if value >= 0.7:
        return "rises in events"
    if value <= 0.3:
        return "falls in events"
    return "rises a little in events" if value >= 0.55 else "hardly tells events from the rest"


def pages(tracks: Sequence[Track], note: str = "") -> dict[str, Figure]:
    """The videos' magnitudes along time, events shaded, by the name of the page; anomalies first."""
    each = ROWS * COLUMNS
    shown = tracks[: PAGES * each]
    calm = [value for one in tracks for value in one.magnitudes[np.isin(one.classes, (NORMAL, OUTSIDE))]]
    usual = float(np.median(calm)) if calm else None
    parts = [shown[start : start + each] for start in range(0, len(shown), each)]
    return {
        f"{number:02d}": _page(part, usual, note or _place(number, len(parts), len(shown), len(tracks)))
        for number, part in enumerate(parts, 1)
    }


def _place(number: int, pages_: int, shown: int, videos: int) -> str:
    more = f"; {videos - shown} videos more are in magnitudes.csv" if videos > shown else ""
    return f"page {number} of {pages_}{more}; dashed: the median of all snippets outside events"


def _page(tracks: Sequence[Track], usual: float | None, note: str) -> Figure:
    lines = -(-len(tracks) // COLUMNS)
    figure = blank("Magnitude along time, annotated events shaded", note, width=WIDTH, height=1.0 + 1.28 * lines)
    axes = figure.subplots(lines, COLUMNS, squeeze=False, sharey=True)
    for place, own in zip(axes.ravel(), [*tracks, *[None] * (lines * COLUMNS - len(tracks))], strict=True):
        if own is None:
            place.axis("off")
        else:
            _panel(place, own, usual)
    return figure


def _panel(axes: Axes, own: Track, usual: float | None) -> None:
    rate = own.frames_per_second
    scale = 1 / rate if rate else 1
    middles = (np.arange(len(own.magnitudes)) + 0.5) * own.frequency * scale
    for segment in own.truth.segments:
        axes.axvspan(segment.first * scale, (segment.last + 1) * scale, color=EVENT_COLOUR, alpha=0.22, linewidth=0)
    if usual is not None:
        axes.axhline(usual, color=FAINT, linewidth=0.7, linestyle="--")
    marker = "." if len(middles) < 40 else ""
    axes.plot(middles, own.magnitudes, color=LABEL_COLOURS[own.row.label], linewidth=1.1, marker=marker, markersize=4)
    axes.set_xlim(0, own.truth.frames * scale)
    axes.set_title(_short(own), loc="left", fontsize=8, color=INK, pad=3)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("s" if rate else "frame", fontsize=7, loc="right", labelpad=-8)


def _short(own: Track) -> str:
    """The video's name, cut to the width of a panel, and what happens in it."""
    path = PurePosixPath(own.row.video)
    name = path.name if len(path.name) <= 40 else f"{path.name[:24]}…{path.name[-15:]}"
    names = list(dict.fromkeys(segment.name for segment in own.truth.segments if segment.name))
    told = ", ".join(names) if names else ("" if own.row.label == 0 else own.row.category)
    if own.row.label == 1 and not own.truth.segments:
        told = "anomaly, no event in its snippets"
    return f"{name}  ({told or 'normal'})"


def _colour(name: str) -> str:
    return {NORMAL: LABEL_COLOURS[0], OUTSIDE: LABEL_COLOURS[1]}.get(name, EVENT_COLOUR)


def snippet_table(tracks: Sequence[Track]) -> list[tuple[str, ...]]:
    """Every snippet as (video, snippet, first frame, magnitude, class)."""
    return [
        (own.row.video, str(number), str(number * own.frequency), f"{magnitude:.6f}", str(name))
        for own in tracks
        for number, (magnitude, name) in enumerate(zip(own.magnitudes, own.classes, strict=True))
    ]


def summary_table(found: Sequence[ClassSummary]) -> list[tuple[str, ...]]:
    """Every class as (class, snippets, quantiles, AUC)."""
    return [
        (
            each.name,
            str(each.snippets),
            *(f"{value:.6f}" for value in each.quantiles),
            "" if each.auc is None else f"{each.auc:.6f}",
        )
        for each in found
    ]
