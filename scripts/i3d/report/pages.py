"""Tables for the report as small self-contained HTML pages."""

from collections.abc import Iterable, Sequence
from html import escape

from i3d.report.statistics import NEAR_COPY, Neighbour, Outlier

SHOWN = 100  # rows that a page holds at most; the CSV beside it has all

STYLE = """
body { font: 14px/1.45 "DejaVu Sans", sans-serif; color: #22303c; margin: 28px; }
h1 { font-size: 19px; margin: 0; }
p { color: #6b7780; margin: 4px 0 18px; }
table { border-collapse: collapse; }
th { text-align: left; color: #6b7780; font-weight: normal; }
th, td { padding: 5px 22px 5px 0; border-bottom: 1px solid #d9dee2; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.marked .number { color: #c8553d; font-weight: bold; }
"""


def neighbour_page(pairs: Sequence[Neighbour], split: str = "test") -> str:
    """The most similar pairs across splits."""
    near = sum(pair.similarity >= NEAR_COPY for pair in pairs)
    return _page(
        f"Nearest neighbours of the {split} videos in other splits",
        "Cosine of mean features less the mean of all videos, most similar first. From "
        f"{NEAR_COPY} on, marked ({near} of {len(pairs)}): is one an augmented or cropped copy of the other?"
        if pairs
        else f"Nothing to compare: features are needed in {split} and in another split.",
        (split, "nearest in another split", "similarity"),
        [
            ((pair.video.video, pair.nearest.video, f"{pair.similarity:.4f}"), pair.similarity >= NEAR_COPY)
            for pair in pairs
        ],
    )


def outlier_page(found: Sequence[Outlier]) -> str:
    """The videos that stand out by feature magnitude."""
    return _page(
        "Videos that stand out by feature magnitude",
        "Robust z-score within the subset beyond 3.5, worst first: look for black, frozen or damaged recordings."
        if found
        else "None: every video lies within 3.5 robust standard deviations of its subset's median.",
        ("video", "damage seen by the decoder", "magnitude", "robust z"),
        [
            ((outlier.row.video, outlier.row.damaged or "none", f"{outlier.magnitude:.2f}", f"{outlier.z:+.1f}"), True)
            for outlier in found
        ],
    )


def _page(title: str, note: str, header: Sequence[str], rows: Sequence[tuple[Sequence[str], bool]]) -> str:
    """Rows are (cells, marked); cells under a header of the last columns that look like numbers align right."""
    head = _cells("th", header, header)
    body = "\n".join(
        f'<tr class="{"marked" if marked else ""}">{_cells("td", cells, header)}</tr>' for cells, marked in rows[:SHOWN]
    )
    more = f"<p>{len(rows) - SHOWN} more in the CSV of the same name.</p>" if len(rows) > SHOWN else ""
    table = f"<table><tr>{head}</tr>\n{body}</table>{more}" if rows else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(note)}</p>{table}</html>\n"
    )


def _cells(tag: str, cells: Iterable[str], header: Sequence[str]) -> str:
    numeric = ("similarity", "magnitude", "robust z")
    return "".join(
        f"<{tag}{' class=number' if name in numeric else ''}>{escape(cell)}</{tag}>"
        for cell, name in zip(cells, header, strict=True)
    )
