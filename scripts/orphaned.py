"""Delete features that no video stands for any more, after naming them all.

Orphans are features whose video is gone. Stale features are those whose video was replaced by one that is skipped.
Rows that name them go too.
"""

import argparse
from pathlib import Path

from i3d.errors import run_main
from i3d.files import write_atomically, writing
from i3d.planning import orphans
from i3d.planning.plan import read_plan, tree_name
from i3d.records.work_folder import WorkFolder
from i3d.results.metadata import without_rows
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import append_summary, removal_summary, tables_are_current


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="plan file: what is orphaned")
    parser.add_argument("--other-settings", action="store_true", help="also stale features of other settings")
    parser.add_argument(
        "--all", action="store_true", help="also these, and even if most videos or a top folder are gone"
    )
    args = parser.parse_args()
    plan, work = read_plan(args.plan), WorkFolder.of_file(args.plan)
    found = orphans.find_orphans(plan, work, of_other_settings=args.all or args.other_settings)
    if not found.removable:
        print("No feature is orphaned." if not found.kept else "Nothing was removed.")
    if not args.all:
        orphans.refuse_too_many(plan, Path(plan.videos), found.removable)
    for video, feature in found.removable.items():
        print(f"{'stale' if video in plan.stale else 'orphaned'}: {feature}")
    for feature, reason in found.kept.items():
        print(f"left alone: {feature}: {reason}")
    current = tables_are_current(
        work.features, tree_name(plan.fingerprint, plan.features, plan.skipped | plan.elsewhere, plan.dataset)
    )
    table = work.features / METADATA
    gone = [str(feature.relative_to(work.features)) for feature in found.removable.values()]
    text = without_rows(table, gone) if gone and table.exists() else None
    for feature in found.removable.values():
        with writing(feature):
            feature.unlink(missing_ok=True)
        print(f"removed {feature}")
    if text is not None:
        write_atomically(table, text)
    if found.removable and current:
        rest = {video: record for video, record in plan.elsewhere.items() if video not in found.removable}
        tree = tree_name(plan.fingerprint, plan.features, plan.skipped | rest, plan.dataset)
        removed = [str(feature) for feature in found.removable.values()]
        append_summary(work.features / SUMMARY, removal_summary(removed, plan.settings, tree))


if __name__ == "__main__":
    run_main(main)
