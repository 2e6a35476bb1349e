"""The report's HTML pages; each is a single file that fetches nothing. The templates are in templates/."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from jinja2 import Environment, PackageLoader, StrictUndefined

from i3d import quantities
from i3d.records.record import OK, Row
from i3d.report.landing import Landing, Link, reason_kind
from i3d.report.near_copies import NearCopies
from i3d.report.statistics import OUTLIER_Z, Neighbour, Outlier

SHOWN = 1000  # pairs on a page at most; the CSV beside it has all
DAMAGED = "damaged"  # the kind of a video with features of only the decodable frames
NUMBER, SHORT, TEXT = "number", "short", ""  # kinds of columns: right-aligned, not wrapped, wrapped

TEMPLATES = Environment(
    loader=PackageLoader("i3d.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Line:
    """A row of a table page, which can hide rows by `kind`."""

    cells: Sequence[str]
    kind: str = ""
    marked: bool = False


def landing_page(landing: Landing) -> str:
    """Render the landing page, which links to the others."""
    return TEMPLATES.get_template("landing.html.j2").render(title=landing.title, landing=landing)


def home_fragment(landing: Landing) -> str:
    """Render the head of the landing page as a fragment for the first page of Snakemake's report."""
    return TEMPLATES.get_template("home.html.j2").render(title=landing.title, landing=landing)


def problem_page(rows: Sequence[Row]) -> str:
    """Render the page of every skipped, failed, damaged or orphaned video, with the reason."""
    lines = [_problem(row) for row in rows if row.status != OK or row.damaged]
    reasons = Counter(reason_kind(row.reason) for row in rows if row.status != OK)
    notes = [
        "Skipped videos are too short or cannot be decoded; failed ones are tried again by the next run; damaged ones "
        "have features of what could be decoded; the videos of orphaned features are gone."
    ]
    if reasons:
        notes.append("; ".join(f"{shorten(kind, 60)}: {count:,}" for kind, count in reasons.most_common(8)))
    return _table(
        "Videos without features, or damaged" if lines else "Every video has features, and none is damaged",
        notes if lines else [],
        [("status", SHORT), ("video", TEXT), ("reason", TEXT), ("frames", NUMBER)],
        lines,
    )


def problem_link(rows: Sequence[Row], target: str) -> Link:
    """The link to the problem page."""
    kinds = Counter(_problem(row).kind for row in rows if row.status != OK or row.damaged)
    finding = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "none"
    return Link(target, "Videos without features, or damaged", finding)


def _problem(row: Row) -> Line:
    kind = DAMAGED if row.status == OK else row.status
    reasons = (row.damaged,) if row.status == OK else (row.reason, row.damaged)
    frames = "" if row.frames_decoded is None else f"{row.frames_decoded:,}"
    return Line((kind, row.video, "; ".join(filter(None, reasons)), frames), kind)


def neighbour_page(pairs: Sequence[Neighbour], comparison: NearCopies, split: str = "test") -> str:
    """Render the page of the most similar pairs across splits."""
    notes = [comparison.note]
    if pairs:
        notes.append("Similarity: cosine of mean features, whitened by the other splits; most similar first.")
    if len(pairs) > SHOWN:
        notes.append(f"{len(pairs) - SHOWN:,} more in neighbours.csv.")
    lines = [
        Line((f"{pair.similarity:.3f}", pair.video.video, pair.nearest.video), marked=comparison.is_near(pair))
        for pair in pairs[:SHOWN]
    ]
    return _table(
        f"Nearest neighbours of the {split} videos in other splits",
        notes,
        [("similarity", NUMBER), (split, TEXT), ("nearest in another split", TEXT)],
        lines,
    )


def outlier_page(outliers: Sequence[Outlier]) -> str:
    """Render the page of the videos that stand out by feature magnitude."""
    note = f"None: every video lies within {OUTLIER_Z} robust standard deviations of its subset's median."
    if outliers:
        note = f"Robust z-score within the subset beyond {OUTLIER_Z}, worst first: look for black, frozen or damaged "
        note += "recordings."
    return _table(
        "Videos that stand out by feature magnitude",
        [note],
        [("robust z", NUMBER), ("magnitude", NUMBER), ("video", TEXT), ("damage seen by the decoder", TEXT)],
        [
            Line((f"{each.z:+.1f}", f"{each.magnitude:.2f}", each.row.video, each.row.damaged or ""), marked=True)
            for each in outliers
        ],
    )


def outlier_link(outliers: Sequence[Outlier], target: str) -> Link:
    """The link to the outlier page."""
    return Link(target, "Magnitude outliers", quantities.count(len(outliers), "video") if outliers else "none")


def _table(title: str, notes: Sequence[str], columns: Sequence[tuple[str, str]], lines: Sequence[Line]) -> str:
    kinds = sorted(Counter(line.kind for line in lines if line.kind).items())
    return TEMPLATES.get_template("table.html.j2").render(
        title=title, notes=notes, columns=columns, rows=lines, kinds=kinds
    )
