"""End a run: put finished features in place, write the metadata table and the run summary, tidy the work folder.

The summary comes last: until it says so a run is not over, so that the next one ends what this one could not.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from i3d.errors import UserError, run_main
from i3d.records.outcomes import FAILED, Work
from i3d.results.tables import (
    METADATA,
    SUMMARY,
    append_summary,
    metadata_rows,
    put_in_place,
    run_summary,
    tidy,
    write_metadata,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan file of the run")
    parser.add_argument("--videos", type=Path, required=True, help="tree of videos")
    parser.add_argument("--features", type=Path, required=True, help="tree of features; the tables go to its top")
    parser.add_argument("--keep-frames", action="store_true", help="leave frame streams where they are")
    args = parser.parse_args()
    try:
        plan = json.loads(args.plan.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{args.plan}: no plan file ({error}); run snakemake again, it writes a new one") from None

    work = Work.beside(args.features)
    refused = put_in_place(work, plan)
    rows = metadata_rows(plan, work, args.features, args.videos)
    for video, reason in refused.items():
        rows[video] |= {"status": FAILED, "reason": reason}
    write_metadata(args.features / METADATA, rows)
    tidy(work, args.plan, plan, keep_frames=args.keep_frames, keep_staging=bool(refused))
    append_summary(args.features / SUMMARY, run_summary(plan, rows, args.videos))
    counts = Counter(rows[video]["status"] for video in plan["features"])
    print(f"{args.features / METADATA}: {counts['ok']} ok, {counts['skipped']} skipped, {counts['failed']} failed")


if __name__ == "__main__":
    run_main(main)
