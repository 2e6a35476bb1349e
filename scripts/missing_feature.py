"""Say why a video gave no feature, and end accordingly.

Too short or unreadable is no error: an empty file is written in the feature's place, because Snakemake demands one, and
the aggregate script removes it. Everything else is an error.
"""

import argparse
import sys
from pathlib import Path

from i3d.errors import UserError, run_main
from i3d.records.journal import read
from i3d.records.record import SKIPPED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, required=True, help="journal of the video's bundle")
    parser.add_argument("--video", required=True, help="path under the videos tree")
    parser.add_argument("--feature", type=Path, required=True, help="the file that is missing")
    args = parser.parse_args()
    records = [record for record in read(args.journal) if record.video == args.video]
    if not records:
        raise UserError(f"{args.video}: its bundle left nothing for it; run snakemake again")
    last = records[-1]
    text = f"{last.video}: {last.status}: {last.reason}"
    if last.status != SKIPPED:
        raise UserError(text)
    print(text, file=sys.stderr)
    args.feature.touch()


if __name__ == "__main__":
    run_main(main)
