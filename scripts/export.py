"""Write what trainers read from finished features: lists, ground truth, one file per crop."""

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from i3d.errors import run_main
from i3d.exports import trainers as exports
from i3d.results.metadata import read_metadata


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
    truth, warnings = exports.ground_truth(rows, events, args.metadata.parent, args.frequency)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    np.save(args.output, truth)


def write_crops(args: argparse.Namespace) -> None:
    """One file per crop for one split."""
    rows = exports.select(read_metadata(args.metadata), args.split, args.categories)
    exports.write_crops(rows, args.metadata.parent, args.output, args.order)


def write_ur_dmu(args: argparse.Namespace) -> None:
    """UR-DMU's list of one split's crop files."""
    rows = exports.select(read_metadata(args.metadata), args.split, args.categories)
    write_lines(args.output, exports.ur_dmu_lines(exports.crop_paths(rows, args.root)))


def write_vadclip(args: argparse.Namespace) -> None:
    """VadCLIP's CSV of one split's crop files."""
    rows = exports.select(read_metadata(args.metadata), args.split, args.categories)
    table = exports.vadclip_rows(rows, exports.crop_paths(rows, args.root), args.crop)
    with args.output.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        added.add_argument("--metadata", type=Path, required=True, help="metadata.csv, at the top of the features tree")
        added.add_argument("--split", required=True, help="first folder under the videos tree, such as test")
        added.add_argument("--categories", nargs="*", default=[], help="last folders to keep; none: all")
        added.add_argument("--output", type=Path, required=True, help="what to write")
        added.set_defaults(run=run)
        return added

    list_ = command("list", write_list)
    list_.add_argument("--root", type=Path, required=True, help="what a line has before train_val/...")
    list_.add_argument("--counts", type=Path, required=True, help="JSON to write: anomaly, normal, total")
    truth = command("ground-truth", write_ground_truth)
    truth.add_argument("--annotations", type=Path, required=True, help="CSV of events, in frames")
    truth.add_argument("--frequency", type=int, required=True, help="frames between snippet starts")
    crops = command("crops", write_crops)
    crops.add_argument("--order", choices=exports.CROP_ORDERS, default="original", help="order of the ten crops")
    ur_dmu = command("ur-dmu", write_ur_dmu)
    vadclip = command("vadclip", write_vadclip)
    for crop_list in (ur_dmu, vadclip):
        crop_list.add_argument("--root", type=Path, required=True, help="where a trainer finds this split's crops")
    vadclip.add_argument("--crop", type=int, help="put this crop alone into the CSV, as tests want it")
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.run(args)


if __name__ == "__main__":
    run_main(main)
