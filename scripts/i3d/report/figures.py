"""The report's figures, each titled with what it shows."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from i3d import quantities as words
from i3d.records.record import OK
from i3d.report.statistics import NEAR_COPY, STATUSES, Neighbour, Outlier, Statistics, duration, status_counts
from i3d.results.metadata import Row

INK, FAINT, LINE = "#22303c", "#6b7780", "#d9dee2"
STATUS_COLOURS = {"ok": "#4b8f8c", "skipped": "#c3cad0", "failed": "#c8553d"}
LABEL_COLOURS = {1: "#c07f2d", 0: "#3f6ea3", None: "#8d979e"}
LABEL_NAMES = {1: "anomaly", 0: "normal", None: "no label"}
WIDTH = 9.6  # inches; the report shows an SVG at its own size
DPI = 150  # of pictures and of what an SVG holds as pixels
NAMED = 8  # outliers that the magnitude figure names
Numbers = Sequence[float] | np.ndarray
LOG_FROM = 50  # largest by smallest value from which an axis is logarithmic

mpl.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": FAINT,
        "axes.edgecolor": LINE,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "legend.frameon": False,
        "svg.hashsalt": "i3d",  # the same figure is the same bytes
    }
)


def counts(rows: Sequence[Row]) -> Figure:
    """Videos per subset and status, as bars."""
    table = status_counts(rows)
    done = sum(row.status == OK for row in rows)
    figure = blank(
        f"{done} of {len(rows)} videos have features" if done < len(rows) else f"All {done} videos have features",
        "videos per subset",
        height=1.7 + 0.42 * len(table),
    )
    (axes,) = _axes(figure)
    names, left = list(table), np.zeros(len(table))
    for status in STATUSES:
        values = np.array([table[name][status] for name in names])
        if values.any():
            axes.barh(names, values, left=left, color=STATUS_COLOURS[status], label=status, height=0.62)
        left += values
    for place, name in enumerate(names):
        said = " · ".join(f"{count} {status}" for status, count in table[name].items() if count)
        axes.annotate(said, (left[place], place), xytext=(6, 0), textcoords="offset points", va="center", color=FAINT)
    axes.set_xlim(0, left.max() * 1.35)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", ncols=len(STATUSES), bbox_to_anchor=(1, 1.02 + 0.35 / len(table)))
    return figure


def lengths(rows: Sequence[Row]) -> Figure:
    """Histograms of duration and of snippets, by label."""
    finished = [row for row in rows if row.status == OK]
    seconds = [value for row in finished if (value := duration(row))]
    middle = f"; half are shorter than {words.duration(np.median(seconds))}" if seconds else ""
    figure = blank(
        f"{words.duration(sum(seconds))} of video in {words.count(len(finished), 'video')}{middle}",
        "videos with features, by duration and by number of snippets",
    )
    left, right = _axes(figure, columns=2)
    _histogram(left, finished, duration, "duration (s)")
    _histogram(right, finished, lambda row: row.snippets, "snippets")
    left.set_ylabel("videos")
    return figure


def speed(rows: Sequence[Row]) -> Figure:
    """Seconds and frames per second of each video."""
    timed = [row for row in rows if row.status == OK and row.frames and row.seconds]
    frames = np.array([row.frames for row in timed], float)
    seconds = np.array([row.seconds for row in timed], float)
    rate = frames / seconds
    title, note = "No video has its time recorded", ""
    if timed:
        slowest = int(rate.argmin())
        title = f"{np.median(rate):,.0f} frames/s for the median video"
        note = f"slowest: {timed[slowest].video}, {rate[slowest]:,.0f} frames/s"
    figure = blank(title, note)
    left, right = _axes(figure, columns=2)
    if timed:
        left.scatter(frames, seconds, s=14, alpha=0.6, color=STATUS_COLOURS["ok"], linewidths=0, rasterized=True)
        ends = np.array([frames.min(), frames.max()])
        left.plot(ends, ends / np.median(rate), color=FAINT, linewidth=0.9, linestyle="--", label="median rate")
        left.set(xlabel="frames", ylabel="seconds")
        for axis, values in (("x", frames), ("y", seconds)):
            _log_if_wide(left, axis, values)
        left.legend(loc="upper left")
        right.hist(rate, bins=_bins(rate), color=STATUS_COLOURS["ok"])
        right.set(xlabel="frames/s", ylabel="videos")
        _log_if_wide(right, "x", rate)
        right.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def magnitude(statistics: Statistics, found: Sequence[Outlier]) -> Figure:
    """Mean feature magnitude of each video per subset, outliers named."""
    subsets = sorted({row.subset for row in statistics.rows})
    verb = "stands out" if len(found) == 1 else "stand out"
    figure = blank(
        f"{words.count(len(found), 'video')} {verb} by feature magnitude"
        if found
        else "No video stands out by magnitude",
        "mean L2 norm of a video's features; bar: median of the subset",
        height=1.7 + 0.62 * len(subsets),
    )
    (axes,) = _axes(figure)
    shake = np.random.default_rng(0)
    strange = {outlier.row.video for outlier in found}
    for place, subset in enumerate(subsets):
        own = [(value, row) for value, row in zip(statistics.magnitude, statistics.rows, strict=True)
               if row.subset == subset and np.isfinite(value)]  # fmt: skip
        values = np.array([value for value, _ in own])
        height = place + shake.uniform(-0.2, 0.2, len(values))
        colours = [STATUS_COLOURS["failed"] if row.video in strange else LABEL_COLOURS[row.label] for _, row in own]
        axes.scatter(values, height, s=16, c=colours, alpha=0.7, linewidths=0, zorder=2, rasterized=True)
        if len(values):
            axes.plot([np.median(values)] * 2, [place - 0.33, place + 0.33], color=FAINT, linewidth=1.5, zorder=1)
    for outlier in [outlier for outlier in found if np.isfinite(outlier.magnitude)][:NAMED]:
        axes.annotate(
            f"{PurePosixPath(outlier.row.video).name} (z {outlier.z:+.1f})",
            (outlier.magnitude, subsets.index(outlier.row.subset) - 0.3),
            ha="center",
            va="bottom",
            fontsize=8,
            color=STATUS_COLOURS["failed"],
        )
    axes.set_yticks(range(len(subsets)), subsets)
    axes.set_ylim(len(subsets) - 0.4, -0.75)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.margins(x=0.12)
    axes.set_xlabel("magnitude")
    return figure


def similarity(pairs: Sequence[Neighbour], split: str = "test") -> Figure:
    """How near the videos of `split` come to their nearest in the other splits."""
    values = np.array([pair.similarity for pair in pairs])
    near = int((values >= NEAR_COPY).sum())
    title = f"Near copies in another split: {near} of {words.count(len(pairs), f'{split} video')}"
    if not pairs:
        title = f"Nothing to compare: no features in {split}, or in {split} alone"
    elif not near:
        title = f"No {split} video has a near copy in another split"
    figure = blank(
        title, f"cosine of mean features less the mean of all, each {split} video with its nearest elsewhere"
    )
    (axes,) = _axes(figure)
    if pairs:
        low, step = min(float(values.min()), 0.0), 0.025
        edges = np.arange(1, low - step, -step)[::-1].tolist()
        for part, colour in ((values < NEAR_COPY, LABEL_COLOURS[0]), (values >= NEAR_COPY, STATUS_COLOURS["failed"])):
            axes.hist(np.minimum(values[part], 1), bins=edges, color=colour)
        axes.axvline(NEAR_COPY, color=FAINT, linewidth=0.9, linestyle="--")
        axes.annotate(
            f"near copy from {NEAR_COPY}", (NEAR_COPY, 1), xycoords=("data", "axes fraction"), xytext=(-5, -2),
            textcoords="offset points", ha="right", va="top", color=FAINT,
        )  # fmt: skip
        axes.set(xlabel="similarity to the nearest video of another split", ylabel="videos")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def blank(title: str, note: str, width: float = WIDTH, height: float = 4.2) -> Figure:
    """A figure of `width` x `height` inches with its title and a grey line below it."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0.01, 0, 0.98, 1 - 0.75 / height), w_pad=0.05, h_pad=0.05))
    figure.text(0.02, 1 - 0.18 / height, title, fontsize=14, fontweight="bold", va="top")
    figure.text(0.02, 1 - 0.48 / height, note, color=FAINT, va="top")
    return figure


def _axes(figure: Figure, columns: int = 1) -> list[Axes]:
    axes: list[Axes] = list(figure.subplots(ncols=columns, squeeze=False)[0])
    for each in axes:
        each.grid(axis="x" if columns == 1 else "both")
    return axes


def _histogram(axes: Axes, rows: Sequence[Row], value: Callable[[Row], float | None], name: str) -> None:
    groups = {label: [number for row in rows if row.label == label and (number := value(row))] for label in LABEL_NAMES}
    groups = {label: numbers for label, numbers in groups.items() if numbers}
    everything = [number for numbers in groups.values() for number in numbers]
    axes.set_xlabel(name)
    if everything:
        axes.hist(
            list(groups.values()),
            bins=_bins(everything),
            stacked=True,
            color=[LABEL_COLOURS[label] for label in groups],
            label=[LABEL_NAMES[label] for label in groups],
        )
        _log_if_wide(axes, "x", everything)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), ncols=len(groups))


def _wide(values: Numbers) -> bool:
    return bool(max(values) > LOG_FROM * min(values))


def _bins(values: Numbers, count: int = 24) -> list[float]:
    low, high = min(values), max(values)
    if low == high:
        return [low - 0.5, high + 0.5]
    space = np.geomspace if _wide(values) else np.linspace
    return space(low, high, count + 1).tolist()


def _log_if_wide(axes: Axes, axis: str, values: Numbers) -> None:
    which = axes.xaxis if axis == "x" else axes.yaxis
    if _wide(values):
        (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the format of the path's suffix, without a date: same figure, same file."""
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
