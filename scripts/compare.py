"""Lay two trees of features side by side: what is missing, how far apart they are, and what would explain it."""

import argparse
from pathlib import Path

from i3d import comparison
from i3d.errors import UserError, run_main
from i3d.exports.receipts import csv_of
from i3d.files import write_atomically
from i3d.records.record import OK
from i3d.results.metadata import read_metadata
from i3d.results.names import METADATA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", type=Path, help="a tree of features; its metadata.csv tells frames, if it is there")
    parser.add_argument("theirs", type=Path, help="another one: x.npy, x_i3d.npy, or x__0.npy, a file per crop")
    parser.add_argument("--output", type=Path, help="table to write, .csv, a line per video")
    args = parser.parse_args()
    if args.output and args.output.suffix != ".csv":
        raise UserError(f"{args.output}: the table is a .csv file; name one in --output")
    for folder in (args.ours, args.theirs):
        if not folder.is_dir():
            raise UserError(f"compare: there is no folder {folder}; name a tree of features")
    table = read_metadata(args.ours / METADATA) if (args.ours / METADATA).exists() else []
    rows = [row for row in table if row.status == OK]
    frames = {row.feature_file: row.frames_decoded for row in rows}
    frequency = next((row.frequency for row in rows if row.frequency), 16)
    result = comparison.compare(args.ours, args.theirs, frames, frequency)
    print(*comparison.as_text(result), sep="\n")
    if args.output:
        write_atomically(args.output, csv_of(comparison.cells(result)))
        print(f"all of it: {args.output}")


if __name__ == "__main__":
    run_main(main)
