"""Draw the figures and pages that `snakemake --report` collects; index.html among them leads to the others."""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import shorten

from i3d import quantities
from i3d.command_line import add_all_settings
from i3d.config import complete
from i3d.errors import UserError, run_main
from i3d.exports import annotations
from i3d.exports.ground_truth import Truth, ground_truth
from i3d.exports.source import Source
from i3d.records.record import OK, ORPHANED
from i3d.report import events, figures, html_pages, near_copies, statistics
from i3d.report.landing import Link, Warn, landing
from i3d.results.metadata import read_metadata
from i3d.results.names import SUMMARY
from i3d.results.run_summary import read_summary


def draw_figures(args: argparse.Namespace) -> None:
    """Figures and pages from the tables and the features."""
    table = read_metadata(args.metadata)
    rows = [row for row in table if row.status != ORPHANED]
    measured = statistics.measure(rows, args.metadata.parent, args.threads)
    outliers = statistics.outliers(measured)
    pairs = statistics.neighbours(measured, args.split)
    comparison = near_copies.compare(measured, pairs, args.split)
    args.output.mkdir(parents=True, exist_ok=True)
    for name, figure in {
        "counts": figures.counts(rows),
        "lengths": figures.lengths(rows),
        "speed": figures.speed(rows),
        "magnitude": figures.magnitude(measured, outliers),
        "similarity": figures.similarity(pairs, comparison, args.split),
    }.items():
        figures.save(figure, args.output / f"{name}.svg")
    page = landing(
        rows,
        summaries(args.metadata.with_name(SUMMARY)),
        args.metadata.parent,
        links=[
            html_pages.problem_link(table, "problems.html"),
            Link("neighbours.html", "Nearest neighbours between splits", comparison.note),
            html_pages.outlier_link(outliers, "outliers.html"),
            Link("counts.svg", "Counts per subset", "videos with features, skipped and failed"),
            Link("lengths.svg", "Durations and snippets", "by label"),
            Link("speed.svg", "Speed", "frames/s of each bundle"),
            Link("magnitude.svg", "Magnitude per subset", "of each video's features"),
            Link("separation.svg", "Magnitude in and outside events", f"of the {args.split} videos' snippets"),
            Link("events", "Magnitude along time", f"of every {args.split} video, annotated events shaded"),
            Link("contact_sheets", "Contact sheets", "frames of each subset as the network saw them"),
            Link("similarity.svg", "Similarity between splits", f"of the {args.split} videos to those of other splits"),
        ],
        found=warnings(outliers, comparison),
        orphaned=len(table) - len(rows),
    )
    for name, text in {
        "index": html_pages.landing_page(page),
        "home": html_pages.home_fragment(page),
        "problems": html_pages.problem_page(table),
        "outliers": html_pages.outlier_page(outliers),
        "neighbours": html_pages.neighbour_page(pairs, comparison, args.split),
    }.items():
        (args.output / f"{name}.html").write_text(text, encoding="utf-8")
    write_table(
        args.output / "outliers.csv",
        ("video", "magnitude", "robust_z"),
        [(outlier.row.video, f"{outlier.magnitude:.4f}", f"{outlier.z:.2f}") for outlier in outliers],
    )
    write_table(
        args.output / "neighbours.csv",
        ("video", "nearest", "similarity"),
        [(pair.video.video, pair.nearest.video, f"{pair.similarity:.6f}") for pair in pairs],
    )


def summaries(path: Path) -> list[dict]:
    """The run summaries, oldest first; none if the file is not what it should be."""
    try:
        return read_summary(path)
    except ValueError:
        return []


def warnings(outliers: Sequence[statistics.Outlier], comparison: near_copies.NearCopies) -> list[Warn]:
    """Return warnings that the features themselves give cause for."""
    found = []
    if broken := sum(outlier.is_not_finite for outlier in outliers):
        head = f"{quantities.count(broken, 'feature')} with values that are not finite."
        found.append(Warn(head, "They spoil a training: delete the files and run the workflow again.", loud=True))
    if comparison.near:
        found.append(Warn(comparison.title + ".", "Look at the pairs before training on this split.", loud=True))
    return found


def draw_contact_sheets(args: argparse.Namespace) -> None:
    """One contact sheet per subset, as PNG."""
    from i3d.report import contact_sheets  # needs a decoder, which the other figures do without

    args.output.mkdir(parents=True, exist_ok=True)
    rows = [row for row in read_metadata(args.metadata) if row.status == OK]
    for subset, own in contact_sheets.largest_subsets(rows).items():
        path = args.output / f"{subset if subset != '.' else contact_sheets.TOP}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figures.save(contact_sheets.sheet(subset, own, args.videos), path)


def draw_events(args: argparse.Namespace) -> None:
    """Magnitude along time with the annotated events of one split, as pages, and pooled per class."""
    settings = complete(args.settings)
    source = Source(args.metadata, settings)
    rows = sorted(
        (row for row in source.table if row.status == OK and row.split == settings.test_split),
        key=lambda row: (-(row.label or 0), row.video),
    )
    frequency = next((row.frequency for row in rows if row.frequency), settings.frequency)

    def truth_by(matched: annotations.Matched) -> Truth:
        return ground_truth(rows, matched, source.features, frequency, videos=Path(settings.videos))

    note, truth = "no annotations are set: `ground_truth: annotations`", None
    if source.annotations_path:
        try:
            truth = truth_by(annotations.match_annotations(source.annotated.events, source.table, rows, source.copies))
            note = ""
        except UserError as error:  # the magnitudes are worth a look without the events
            print(f"warning: {error}", file=sys.stderr)
            note = shorten(f"events are not shown: {error}", 110, placeholder="…")
    truth = truth or truth_by(annotations.Matched())
    tracks = [events.track(video, args.metadata.parent, frequency) for video in truth.videos]
    found = events.summaries(tracks)
    (args.output / "events").mkdir(parents=True, exist_ok=True)
    for name, page in events.pages(tracks, note).items():
        figures.save(page, args.output / "events" / f"{name}.svg")
    figures.save(events.separation(found, note), args.output / "separation.svg")
    quantiles = tuple(f"quantile_{share:.2f}" for share in events.QUANTILES)
    write_table(args.output / "separation.csv", ("class", "snippets", *quantiles, "auc"), events.summary_table(found))
    write_table(
        args.output / "magnitudes.csv",
        ("video", "snippet", "first_frame", "magnitude", "class"),
        events.snippet_table(tracks),
    )


def write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--metadata", type=Path, required=True, help="metadata.csv, at the top of the features tree")
    shared.add_argument("--output", type=Path, required=True, help="folder to write to")

    command = commands.add_parser("figures", parents=[shared], help=draw_figures.__doc__)
    command.add_argument("--split", default="test", help="split whose videos are compared with all others")
    command.add_argument("--threads", type=int, default=1, help="features read at once")
    command.set_defaults(run=draw_figures)

    command = commands.add_parser("events", parents=[shared], help=draw_events.__doc__)
    add_all_settings(command)
    command.set_defaults(run=draw_events)

    command = commands.add_parser("contact-sheets", parents=[shared], help=draw_contact_sheets.__doc__)
    command.add_argument("--videos", type=Path, required=True, help="the videos tree")
    command.set_defaults(run=draw_contact_sheets)
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.run(args)


if __name__ == "__main__":
    run_main(main)
