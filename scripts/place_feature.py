"""Put a finished feature in its place, or say why a video gave none, and end accordingly.

Too short or unreadable is no error: an empty file is written in the feature's place, because Snakemake demands one, and
the aggregate script removes it. Everything else is an error.
"""

import argparse
import sys
from pathlib import Path

from i3d.errors import UserError, run_main
from i3d.files import move, writing
from i3d.records.bundles import read_bundle
from i3d.records.journal import read
from i3d.records.record import SKIPPED
from i3d.records.work_folder import WorkFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--staged", type=Path, required=True, help="the finished feature, if there is one")
    parser.add_argument("--work", type=Path, required=True, help="the workflow's own folder in the features tree")
    parser.add_argument("--extracted", type=Path, required=True, help="mark of the video's bundle, named after it")
    parser.add_argument("--feature", required=True, help="path of the feature under the features tree")
    parser.add_argument("--output", type=Path, required=True, help="its place")
    args = parser.parse_args()
    if args.staged.is_file():
        with writing(args.output):
            move(args.staged, args.output)
        return
    work, bundle = WorkFolder(args.work), args.extracted.name
    videos = {entry.video for entry in read_bundle(work.bundle(bundle)).videos if entry.feature == args.feature}
    of_video = [record for record in read(work.journal(bundle)) if record.video in videos]
    if not of_video:
        raise UserError(f"{args.feature}: its bundle left nothing for it; run snakemake again")
    last = of_video[-1]
    text = f"{last.video}: {last.status}: {last.reason}"
    if last.status != SKIPPED:
        raise UserError(text)
    print(text, file=sys.stderr)
    args.output.touch()


if __name__ == "__main__":
    run_main(main)
