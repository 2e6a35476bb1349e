"""Write what trainers read from finished features: lists, ground truth, one file per crop.

Files that are as table and settings say are left alone; after an error, those of an earlier call are untouched.
"""

import argparse
import sys
from pathlib import Path

from i3d.command_line import add_all_settings
from i3d.config import complete
from i3d.errors import PREFIX, UserError, run_main
from i3d.exports.all_exports import TARGETS
from i3d.exports.making import make


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS, help="what to make")
    parser.add_argument("--metadata", type=Path, required=True, help="metadata.csv, at the top of the features")
    add_all_settings(parser)
    parser.add_argument("--asked", nargs="*", default=(), metavar="TARGET", help="all targets of the run")
    return parser.parse_args()


def main() -> None:
    args = parse()
    outcome = make(args.target, args.metadata, complete(args.settings), args.asked)
    for text in outcome.texts:
        print(text)
    print(outcome.summary(args.target))
    for warning in outcome.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for error in outcome.errors[:-1]:
        print(f"{PREFIX}{error}", file=sys.stderr)
    if outcome.errors:
        raise UserError(outcome.errors[-1])


if __name__ == "__main__":
    run_main(main)
