"""End a run: put finished features in place, write the metadata table and the run summary, tidy the work folder.

The summary comes last: until it says so a run is not over, so that the next one ends what this one could not.
"""

import argparse
from pathlib import Path

from i3d.errors import run_main
from i3d.planning import closing
from i3d.planning.plan import read_plan, tree_name
from i3d.records.work_folder import WorkFolder
from i3d.results.metadata import write_metadata
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import append_summary, run_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan file of the run")
    parser.add_argument("--keep-frames", action="store_true", help="leave frame streams where they are")
    args = parser.parse_args()
    plan, work = read_plan(args.plan), WorkFolder.of_file(args.plan)

    account = closing.close(plan, work)
    closing.remove_placeholders(plan, work)
    table = dict(sorted((account.rows | plan.elsewhere).items()))
    write_metadata(work.features / METADATA, table.values(), plan.names)
    staged = any((work.staging / plan.features[video]).exists() for video in account.failed)
    closing.tidy(work, args.plan, plan, keep_frames=args.keep_frames, keep_staging=staged)
    tree = tree_name(plan.fingerprint, plan.features, table, plan.dataset)
    append_summary(
        work.features / SUMMARY, run_summary(account, Path(plan.videos), plan.settings, tree, plan.passed_over)
    )
    print(f"{work.features / METADATA}: {len(table)} rows, {len(account.made)} features made by this run")


if __name__ == "__main__":
    run_main(main)
