"""The report's figures, each titled with its finding."""

import logging
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from i3d import quantities
from i3d.records.record import OK, Row
from i3d.report import landing
from i3d.report.near_copies import NearCopies
from i3d.report.speed import bundle_speeds, total_speed
from i3d.report.statistics import STATUSES, Neighbour, Outlier, Statistics, duration, largest_subsets, status_counts

INK, FAINT, LINE = "#22303c", "#6b7780", "#d9dee2"
STATUS_COLOURS = {"ok": "#4b8f8c", "skipped": "#c3cad0", "failed": "#c8553d", "not done": "#e0b04c"}
LABEL_COLOURS = {1: "#c07f2d", 0: "#3f6ea3", None: "#8d979e"}
DEVICE_COLOURS = ("#4b8f8c", "#c07f2d", "#3f6ea3", "#8c5a8f")
LABEL_NAMES = {1: "anomaly", 0: "normal", None: "no label"}
WIDTH = 9.6  # inches; the report shows an SVG at its own size
DPI = 150  # of pictures, and of the rasterised parts of an SVG
NAMED = 3  # outliers of a subset with names in the magnitude figure
LONGEST_NAME = 40  # characters of a file's name in figures
BINS = 24  # of a histogram
SUBSETS = 40  # in a figure at most, by number of videos
Numbers = Sequence[float] | np.ndarray
LOG_FROM = 50  # ratio of largest to smallest value from which an axis is logarithmic

FONT = "DejaVu Sans"  # comes with matplotlib
# Fallbacks for characters that it lacks, in order of preference: on Linux, macOS, Windows.
FALLBACK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei"),
    *("Droid Sans Fallback", "Noto Sans", "Noto Sans Thai", "Noto Sans Devanagari", "Unifont"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Leelawadee UI", "Nirmala UI", "Segoe UI Emoji"),
)
SHOWN = 20  # characters in a warning
MISSING_GLYPH = re.compile(r"Glyph (\d+) .* missing from font")

log = logging.getLogger(__name__)


# Naming a font that is not installed makes matplotlib complain at every text.
INSTALLED_FONTS = set(get_font_names())

mpl.rcParams.update(
    {
        "font.family": [FONT, *(font for font in FALLBACK_FONTS if font in INSTALLED_FONTS)],
        "font.size": 10,
        "text.color": INK,
        "text.parse_math": False,  # names may hold dollar signs
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
    """Draw videos per subset and status, as bars."""
    table, names = status_counts(rows), largest_subsets(rows, SUBSETS)
    note = _note("videos per subset", len(table) - len(names))
    figure = blank(landing.title(rows), note, height=1.7 + 0.42 * len(names))
    (axes,) = _axes(figure)
    left = np.zeros(len(names))
    for status in STATUSES:
        values = np.array([table[name][status] for name in names])
        if values.any():
            axes.barh(names, values, left=left, color=STATUS_COLOURS[status], label=status, height=0.62)
        left += values
    for place, name in enumerate(names):
        text = " · ".join(f"{count} {status}" for status, count in table[name].items() if count)
        axes.annotate(text, (left[place], place), xytext=(6, 0), textcoords="offset points", va="center", color=FAINT)
    axes.set_xlim(0, left.max() * 1.35)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", ncols=len(STATUSES), bbox_to_anchor=(1, 1.02 + 0.35 / len(names)))
    return figure


def lengths(rows: Sequence[Row]) -> Figure:
    """Draw histograms of duration and of snippets, by label."""
    finished = [row for row in rows if row.status == OK]
    seconds = [value for row in finished if (value := duration(row))]
    middle = f"; half are shorter than {quantities.duration(np.median(seconds))}" if seconds else ""
    figure = blank(
        f"{quantities.duration(sum(seconds))} of video in {quantities.count(len(finished), 'video')}{middle}",
        "videos with features, by duration and by number of snippets",
    )
    left, right = _axes(figure, columns=2)
    _histogram(left, finished, duration, "duration (s)")
    _histogram(right, finished, lambda row: row.snippets, "snippets", whole=True)
    left.set_ylabel("videos")
    return figure


def speed(rows: Sequence[Row]) -> Figure:
    """Draw the frames per second of each bundle, and of all together."""
    bundles, total = bundle_speeds(rows), total_speed(rows)
    title, note = "The table does not say when videos were extracted", ""
    if total:
        video = sum(duration(row) or 0 for row in rows if row.status == OK)
        title = (
            f"{quantities.duration(video)} of video in {quantities.duration(total.seconds)}: {total.rate:,.0f} frames/s"
        )
        note = "each dot is a bundle: its frames by the time its videos took together; start-up of jobs not counted"
    figure = blank(title, note)
    (axes,) = _axes(figure)
    if total and bundles:
        frames = np.array([bundle.frames for bundle in bundles], float)
        rates = np.array([bundle.rate for bundle in bundles])
        devices = sorted({bundle.device for bundle in bundles})
        for device, colour in zip(devices, np.resize(DEVICE_COLOURS, len(devices)), strict=True):
            own = np.array([bundle.device == device for bundle in bundles])
            size = _dot(len(bundles))
            axes.scatter(frames[own], rates[own], s=size, color=str(colour), alpha=0.8, linewidths=0, label=device)
        axes.axhline(total.rate, color=FAINT, linewidth=0.9, linestyle="--", label="all together")
        axes.set(xlabel="frames in the bundle", ylabel="frames/s")
        axes.grid(axis="both")
        _log_if_wide(axes, frames)
        axes.set_ylim(0, max(rates.max(), total.rate) * 1.15)
        _legend_above(axes)
    return figure


def magnitude(statistics: Statistics, outliers: Sequence[Outlier]) -> Figure:
    """Draw the mean feature magnitude of each video per subset, outliers named."""
    subsets = largest_subsets(statistics.rows, SUBSETS)
    left_out = len({row.subset for row in statistics.rows}) - len(subsets)
    title = "No video stands out by magnitude"
    if outliers:
        verb = "stands out" if len(outliers) == 1 else "stand out"
        title = f"{quantities.count(len(outliers), 'video')} {verb} by feature magnitude"
    note = _note("mean L2 norm of a video's features; bar: median of the subset", left_out)
    figure = blank(title, note, height=2.0 + 0.62 * len(subsets))
    (axes,) = _axes(figure)
    shake = np.random.default_rng(0)
    size = _dot(len(statistics.rows))
    strange = {outlier.row.video for outlier in outliers}
    for place, subset in enumerate(subsets):
        own = [(value, row) for value, row in zip(statistics.magnitude, statistics.rows, strict=True)
               if row.subset == subset and np.isfinite(value)]  # fmt: skip
        plain = [(value, LABEL_COLOURS[row.label]) for value, row in own if row.video not in strange]
        heights = place + shake.uniform(-0.2, 0.2, len(plain))
        values, colours = [value for value, _ in plain], [colour for _, colour in plain]
        axes.scatter(values, heights, s=size, c=colours, alpha=0.75, linewidths=0, zorder=2, rasterized=True)
        if own:
            median = np.median([value for value, _ in own])
            axes.plot([median] * 2, [place - 0.33, place + 0.33], color=FAINT, linewidth=1.5, zorder=1)
        _draw_outliers(axes, place, [each for each in outliers if each.row.subset == subset and not each.is_not_finite])
    axes.set_yticks(range(len(subsets)), subsets)
    axes.set_ylim(len(subsets) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.margins(x=0.12)
    axes.set_xlabel("magnitude")
    labels = {row.label for row in statistics.rows}
    legend = {LABEL_NAMES[label]: LABEL_COLOURS[label] for label in LABEL_NAMES if label in labels}
    if outliers:
        legend["stands out"] = STATUS_COLOURS["failed"]
    marks = [Line2D([], [], linestyle="", marker="o", color=colour, label=name) for name, colour in legend.items()]
    _legend_above(axes, handles=marks)
    return figure


def _draw_outliers(axes: Axes, place: int, outliers: Sequence[Outlier]) -> None:
    """Draw the outliers of the subset at `place`: the worst NAMED with their names, below one another."""
    red = STATUS_COLOURS["failed"]
    named, others = outliers[:NAMED], outliers[NAMED:]
    axes.scatter([each.magnitude for each in others], [place] * len(others), s=30, c=red, linewidths=0)
    steps = np.linspace(-0.27, 0.27, len(named)) if len(named) > 1 else np.zeros(1)
    for each, step in zip(named, steps, strict=False):
        axes.scatter([each.magnitude], [place + step], s=30, c=red, linewidths=0, zorder=3)
        axes.annotate(
            f"{shorten_name(each.row.video)} (z {each.z:+.1f})",
            (each.magnitude, place + step),
            xytext=(6 if each.z < 0 else -6, 0),
            textcoords="offset points",
            ha="left" if each.z < 0 else "right",
            va="center",
            fontsize=8,
            color=red,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def shorten_name(video: str) -> str:
    """The file's name, without its middle if it is long."""
    name = PurePosixPath(video).name
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 + 1 :]}"


def similarity(pairs: Sequence[Neighbour], comparison: NearCopies, split: str = "test") -> Figure:
    """Draw a histogram of the similarity of the videos of `split` to their nearest in the other splits."""
    values = np.array([pair.similarity for pair in pairs])
    near = np.array([comparison.is_near(pair) for pair in pairs], bool)
    figure = blank(
        comparison.title,
        f"cosine of whitened mean features, each {split} video with its nearest elsewhere" if pairs else "",
    )
    (axes,) = _axes(figure)
    if pairs:
        low, step = min(float(values.min()), 0.0), 0.025
        edges = np.arange(1, low - step, -step)[::-1].tolist()
        for part, colour in ((values[~near], LABEL_COLOURS[0]), (values[near], STATUS_COLOURS["failed"])):
            axes.hist(np.minimum(part, 1), bins=edges, color=colour)
        if comparison.threshold is not None:
            axes.axvline(comparison.threshold, color=FAINT, linewidth=0.9, linestyle="--")
            axes.annotate(
                f"near copy from {comparison.threshold:g}", (comparison.threshold, 1),
                xycoords=("data", "axes fraction"), xytext=(-5, -2), textcoords="offset points", ha="right", va="top",
                color=FAINT,
            )  # fmt: skip
        axes.set(xlabel="similarity to the nearest video of another split", ylabel="videos")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def blank(title: str, note: str, width: float = WIDTH, height: float = 4.2) -> Figure:
    """Create a figure of `width` x `height` inches with its title and a grey line below it."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0.01, 0, 0.98, 1 - 0.75 / height), w_pad=0.05, h_pad=0.05))
    figure.text(0.02, 1 - 0.18 / height, title, fontsize=14, fontweight="bold", va="top")
    figure.text(0.02, 1 - 0.48 / height, note, color=FAINT, va="top")
    return figure


def _note(what: str, left_out: int) -> str:
    """The grey line of a figure of the largest subsets."""
    return f"{what}; the {SUBSETS} largest, {quantities.count(left_out, 'smaller one')} left out" if left_out else what


def _dot(count: int) -> float:
    """The area of a dot among `count`, in square points."""
    return float(np.clip(20_000 / max(count, 1), 12, 60))


def _legend_above(axes: Axes, handles: Sequence[Line2D] | None = None) -> None:
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=4, handletextpad=0.3)


def _axes(figure: Figure, columns: int = 1) -> list[Axes]:
    axes: list[Axes] = list(figure.subplots(ncols=columns, squeeze=False)[0])
    for each in axes:
        each.grid(axis="x" if columns == 1 else "both")
    return axes


def _histogram(
    axes: Axes, rows: Sequence[Row], value: Callable[[Row], float | None], name: str, whole: bool = False
) -> None:
    """Draw a histogram of values by label; `whole` numbers get bins and ticks at whole numbers."""
    groups = {label: [number for row in rows if row.label == label and (number := value(row))] for label in LABEL_NAMES}
    groups = {label: numbers for label, numbers in groups.items() if numbers}
    everything = [number for numbers in groups.values() for number in numbers]
    axes.set_xlabel(name)
    if everything:
        axes.hist(
            list(groups.values()),
            bins=_whole_bins(everything) if whole and not _wide(everything) else _bins(everything),
            stacked=True,
            color=[LABEL_COLOURS[label] for label in groups],
            label=[LABEL_NAMES[label] for label in groups],
        )
        _log_if_wide(axes, everything)
        if whole and not _wide(everything):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_above(axes)


def _wide(values: Numbers) -> bool:
    return bool(max(values) > LOG_FROM * min(values))


def _bins(values: Numbers) -> list[float]:
    low, high = min(values), max(values)
    if low == high:
        return [low - 0.5, high + 0.5]
    space = np.geomspace if _wide(values) else np.linspace
    return space(low, high, BINS + 1).tolist()


def _whole_bins(values: Numbers) -> list[float]:
    """About BINS edges halfway between whole numbers, equally spaced."""
    low, high = int(min(values)), int(max(values))
    step = max(1, round((high - low) / BINS))
    return [low - 0.5 + step * place for place in range((high - low) // step + 2)]


def _log_if_wide(axes: Axes, values: Numbers) -> None:
    """Make the x axis logarithmic if the values on it differ much."""
    if _wide(values):
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


_warned_of: set[str] = set()  # characters without a font that this program has warned of


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the format of the path's suffix, without a date: same figure, same file.

    Characters missing from all installed fonts are drawn as boxes; the first figure with any logs a warning.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    missing = set()
    for each in caught:
        if match := MISSING_GLYPH.match(str(each.message)):
            missing.add(chr(int(match[1])))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if missing and not _warned_of:
        log.warning(
            "warning: no installed font has %s, which figures show as boxes; install one, such as Noto Sans CJK",
            " ".join(sorted(missing)[:SHOWN]),
        )
    _warned_of.update(missing)
