"""Draw the figures and tables that `snakemake --report` collects."""

import argparse
import csv
from pathlib import Path

from i3d.errors import run_main
from i3d.network.specs import SAMPLE_MODES
from i3d.records.record import OK
from i3d.report import figures, pages
from i3d.report import statistics as insight
from i3d.results.metadata import Row, read_metadata

CROPS = sorted(mode.crops for mode in SAMPLE_MODES.values())


def draw_figures(args: argparse.Namespace) -> None:
    """Figures and tables from metadata.csv and the features."""
    rows = read_metadata(args.metadata)
    statistics = insight.measure(rows, args.metadata.parent, args.threads)
    found = insight.outliers(statistics)
    pairs = insight.neighbours(statistics, args.split)
    for name, figure in {
        "counts": figures.counts(rows),
        "lengths": figures.lengths(rows),
        "speed": figures.speed(rows),
        "magnitude": figures.magnitude(statistics, found),
        "similarity": figures.similarity(pairs, args.split),
    }.items():
        figures.save(figure, args.output / f"{name}.svg")
    (args.output / "outliers.html").write_text(pages.outlier_page(found), encoding="utf-8")
    (args.output / "neighbours.html").write_text(pages.neighbour_page(pairs, args.split), encoding="utf-8")
    write_table(
        args.output / "outliers.csv",
        ("video", "magnitude", "robust_z"),
        [(outlier.row.video, f"{outlier.magnitude:.4f}", f"{outlier.z:.2f}") for outlier in found],
    )
    write_table(
        args.output / "neighbours.csv",
        ("video", "nearest", "similarity"),
        [(pair.video.video, pair.nearest.video, f"{pair.similarity:.6f}") for pair in pairs],
    )


def draw_contact_sheets(args: argparse.Namespace) -> None:
    """One contact sheet per subset, as PNG."""
    from i3d.report import contact_sheets as contact  # needs a decoder, which the other figures do without

    subsets: dict[str, list[Row]] = {}
    for row in read_metadata(args.metadata):
        if row.status == OK:
            subsets.setdefault(row.subset, []).append(row)
    args.output.mkdir(parents=True, exist_ok=True)
    for subset, rows in sorted(subsets.items()):
        figure = contact.sheet(subset, rows, args.videos, args.crops)
        figures.save(figure, args.output / f"{subset.replace('/', ' - ')}.png")


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
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

    command = commands.add_parser("contact-sheets", parents=[shared], help=draw_contact_sheets.__doc__)
    command.add_argument("--videos", type=Path, required=True, help="the videos tree")
    command.add_argument("--crops", type=int, choices=CROPS, default=max(CROPS), help="crops per snippet")
    command.set_defaults(run=draw_contact_sheets)
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.run(args)


if __name__ == "__main__":
    run_main(main)
