"""Write what trainers read from finished features: lists, ground truth, one file per crop."""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

from i3d import exports
from i3d.errors import run_main
from i3d.metadata import read_metadata


def write_list(args: argparse.Namespace) -> None:
    """The list of one split, and beside it how many of its lines are anomalies."""
    rows = exports.select(read_metadata(args.metadata), args.split, args.categories)
    write_lines(args.output, exports.list_lines(rows, args.root))
    args.counts.write_text(json.dumps(exports.counts(rows), indent=2) + "\n")


def write_ground_truth(args: argparse.Namespace) -> None:
    """The ground truth of one split, in the order of its list."""
    table = read_metadata(args.metadata)
    rows = exports.select(table, args.split, args.categories)
    events = exports.match_annotations(exports.read_annotations(args.annotations), table, args.split)
    truth, warnings = exports.ground_truth(rows, events, args.features, args.frequency)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    np.save(args.output, truth)


def write_crops(args: argparse.Namespace) -> None:
    """One file per crop for one split, with the lists of the loaders asked for."""
    rows = exports.select(read_metadata(args.metadata), args.split, args.categories)
    files = exports.write_crops(rows, args.features, args.output, args.order)
    files = [[args.root / path.relative_to(args.output) for path in paths] for paths in files]
    if args.ur_dmu:
        write_lines(args.ur_dmu, exports.ur_dmu_lines(files))
    if args.vadclip:
        with args.vadclip.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(exports.vadclip_rows(rows, files, args.crop))


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--metadata", type=Path, required=True, help="the table metadata.csv")
    shared.add_argument("--split", required=True, help="first folder below the videos tree, such as test")
    shared.add_argument("--categories", nargs="*", default=[], help="last folders to keep; none: all")
    shared.add_argument("--output", type=Path, required=True)

    command = commands.add_parser("list", parents=[shared], help=write_list.__doc__)
    command.add_argument("--root", type=Path, required=True, help="what a line has before train_val/...")
    command.add_argument("--counts", type=Path, required=True, help="JSON: anomaly, normal, total")
    command.set_defaults(run=write_list)

    command = commands.add_parser("ground-truth", parents=[shared], help=write_ground_truth.__doc__)
    command.add_argument("--annotations", type=Path, required=True, help="CSV of events, in frames")
    command.add_argument("--features", type=Path, required=True, help="the features tree")
    command.add_argument("--frequency", type=int, required=True, help="frames between snippet starts")
    command.set_defaults(run=write_ground_truth)

    command = commands.add_parser("crops", parents=[shared], help=write_crops.__doc__)
    command.add_argument("--features", type=Path, required=True, help="the features tree")
    command.add_argument("--root", type=Path, required=True, help="what a list's path has in place of --output")
    command.add_argument("--order", choices=exports.CROP_ORDERS, default="original", help="order of the ten crops")
    command.add_argument("--ur-dmu", type=Path, help="list to write for UR-DMU")
    command.add_argument("--vadclip", type=Path, help="CSV to write for VadCLIP")
    command.add_argument("--crop", type=int, help="put this crop alone into the CSV, for tests")
    command.set_defaults(run=write_crops)
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.run(args)


if __name__ == "__main__":
    run_main(main)
