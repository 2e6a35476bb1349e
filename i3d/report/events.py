"""Plot the magnitude of features along time beside the annotated events.

RTFM, MGFN and similar detectors assume that features of anomalous snippets have larger magnitudes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from i3d import quantities as words
from i3d.exports.ground_truth import VideoTruth, load
from i3d.records.record import Row
from i3d.report.figures import FAINT, INK, LABEL_COLOURS, WIDTH, blank, shorten_name

ROWS, COLUMNS = 8, 2  # panels of a page
PAGES = 20  # at most; the CSV has every video
NORMAL, OUTSIDE, EVENT = "normal videos", "anomalies, outside events", "event"
EVENT_COLOUR = "#c8553d"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Track:
    """A video along its snippets: float64 magnitudes (snippets,), and each snippet's class (snippets,), as text.

    The magnitude is the L2 norm of a crop's features, averaged over the crops, as in RTFM's test. A snippet has the
    class of an event, its name or `event`, if at least half of its frames do.
    """

    truth: VideoTruth
    frequency: int
    magnitudes: np.ndarray
    classes: np.ndarray

    @property
    def row(self) -> Row:
        """The video."""
        return self.truth.row


@dataclass(frozen=True)
class ClassSummary:
    """The magnitudes of all snippets of a class: their number, QUANTILES, and AUC.

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
    """Summarise each class that occurs: normal videos, anomalies outside events, then the events by name.

    With several kinds of events, all of them together come last.
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


def separation(classes: Sequence[ClassSummary], note: str = "") -> Figure:
    """Draw the spread of magnitudes in each class of snippets, and the AUC of each kind of event."""
    values = [each.auc for each in classes if each.auc is not None]
    title = "No snippet lies in an annotated event"
    if values:
        title = f"Magnitude {_verdict(values[-1])}: AUC {values[-1]:.2f} of event snippets against all others"
    figure = blank(
        title,
        note or "magnitude per snippet, boxes: middle half and median, lines: from 5 % to 95 %; AUC 0.5 is chance",
        height=1.7 + 0.5 * max(len(classes), 1),
    )
    axes = figure.subplots()
    axes.grid(axis="x")
    for place, each in enumerate(classes):
        low, first, middle, third, high = each.quantiles
        colour = _colour(each.name)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="round")
        axes.barh(place, third - first, left=first, height=0.46, color=colour, alpha=0.55)
        axes.plot([middle] * 2, [place - 0.23, place + 0.23], color=INK, linewidth=1.6)
        text = words.count(each.snippets, "snippet") + ("" if each.auc is None else f" · AUC {each.auc:.2f}")
        axes.annotate(text, (high, place), xytext=(7, 0), textcoords="offset points", va="center", color=FAINT)
    axes.set_yticks(range(len(classes)), [each.name for each in classes])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    if classes:
        low, high = min(each.quantiles[0] for each in classes), max(each.quantiles[-1] for each in classes)
        space = (high - low) or 1
        axes.set_xlim(low - 0.05 * space, high + 0.42 * space)  # room for the text beside the lines
    axes.set_xlabel("magnitude")
    return figure


def _verdict(value: float) -> str:
    if value >= 0.7:
        return "rises in events"
    if value <= 0.3:
        return "falls in events"
    return "rises a little in events" if value >= 0.55 else "hardly separates events from the rest"


def pages(tracks: Sequence[Track], note: str = "") -> dict[str, Figure]:
    """Draw the videos' magnitudes along time, events shaded; figures by the name of their page, in the given order."""
    each = ROWS * COLUMNS
    shown = tracks[: PAGES * each]
    calm = [value for own in tracks for value in own.magnitudes[np.isin(own.classes, (NORMAL, OUTSIDE))]]
    usual = float(np.median(calm)) if calm else None
    parts = [shown[start : start + each] for start in range(0, len(shown), each)]
    return {
        f"{number:02d}": _page(part, usual, note or _page_note(number, len(parts), len(tracks) - len(shown)))
        for number, part in enumerate(parts, 1)
    }


def _page_note(number: int, total: int, left_out: int) -> str:
    more = f"; {left_out} more videos are in magnitudes.csv" if left_out else ""
    return f"page {number} of {total}{more}; dashed: the median of all snippets outside events"


def _page(tracks: Sequence[Track], usual: float | None, note: str) -> Figure:
    lines = math.ceil(len(tracks) / COLUMNS)
    figure = blank("Magnitude along time, annotated events shaded", note, width=WIDTH, height=1.0 + 1.28 * lines)
    axes = figure.subplots(lines, COLUMNS, squeeze=False, sharey=True)
    for place, own in zip_longest(axes.ravel(), tracks):
        if own is None:
            place.axis("off")
        else:
            _panel(place, own, usual)
    return figure


def _panel(axes: Axes, own: Track, usual: float | None) -> None:
    rate = own.row.frame_rate
    scale = 1 / rate if rate else 1
    middles = (np.arange(len(own.magnitudes)) + 0.5) * own.frequency * scale
    for segment in own.truth.segments:
        axes.axvspan(segment.first * scale, (segment.last + 1) * scale, color=EVENT_COLOUR, alpha=0.22, linewidth=0)
    if usual is not None:
        axes.axhline(usual, color=FAINT, linewidth=0.7, linestyle="--")
    marker = "." if len(middles) < 40 else ""
    axes.plot(middles, own.magnitudes, color=LABEL_COLOURS[own.row.label], linewidth=1.1, marker=marker, markersize=4)
    axes.set_xlim(0, own.truth.frames * scale)
    axes.set_title(_heading(own), loc="left", fontsize=8, color=INK, pad=3)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("s" if rate else "frame", fontsize=7, loc="right", labelpad=-8)


def _heading(own: Track) -> str:
    """The video's name, cut to the width of a panel, and what happens in it."""
    events = ", ".join(dict.fromkeys(segment.name for segment in own.truth.segments if segment.name))
    if own.row.label == 1 and not own.truth.segments:
        events = "anomaly, no event in its snippets"
    elif not events and own.row.label != 0:
        events = own.row.category
    return f"{shorten_name(own.row.video)}  ({events or 'normal'})"


def _colour(name: str) -> str:
    return {NORMAL: LABEL_COLOURS[0], OUTSIDE: LABEL_COLOURS[1]}.get(name, EVENT_COLOUR)


def snippet_table(tracks: Sequence[Track]) -> list[tuple[str, ...]]:
    """Every snippet as (video, snippet, first frame, magnitude, class)."""
    return [
        (own.row.video, str(number), str(number * own.frequency), f"{magnitude:.6f}", str(name))
        for own in tracks
        for number, (magnitude, name) in enumerate(zip(own.magnitudes, own.classes, strict=True))
    ]


def summary_table(classes: Sequence[ClassSummary]) -> list[tuple[str, ...]]:
    """Every class as (class, snippets, quantiles, AUC)."""
    return [
        (
            each.name,
            str(each.snippets),
            *(f"{value:.6f}" for value in each.quantiles),
            "" if each.auc is None else f"{each.auc:.6f}",
        )
        for each in classes
    ]
