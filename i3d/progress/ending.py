"""The end of a run in words: what is done, skipped, failed and left, and what is next."""

import time
from pathlib import Path

from i3d.quantities import count, duration
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import read_summary


def ending_text(features: Path, began: float, *, stopped: bool = False) -> str:
    """How a run on this features tree ended, which began at `began`, in seconds since the epoch.

    `stopped` says that the user ended it.
    """
    took = duration(time.time() - began)
    path = features / SUMMARY
    try:
        runs = read_summary(path) if path.stat().st_mtime >= began else []
    except (OSError, ValueError):
        runs = []
    if not runs:
        return f"The run took {took}, but its tables were not written; run snakemake again for them."
    run = runs[-1]
    made, moved, failed, left = (run[f"{name}_videos"] for name in ("processed", "moved", "failed", "not_done"))
    done = f"{count(made, 'feature')} in {took}" + (f", {moved:,} more moved into place" if moved else "")
    videos = [f"{run['present_videos']:,} with features", f"{run['videos_skipped']:,} skipped", f"{failed:,} failed"]
    if left:
        videos.append(f"{left:,} not done")
    if stopped or left:
        advice = "run the same command again: it goes on where this run ended"
    elif failed:
        advice = "run the same command again: it tries what failed, and leaves alone what is done"
    else:
        advice = "`make report` draws the report; `snakemake --cores 1 lists` writes lists for trainers"
    lines = [
        ("stopped" if stopped else "done", done),
        ("videos", f"{run['total_videos']:,}: {', '.join(videos)}"),
        ("table", f"{features / METADATA} has a row for each video, with a reason where it has no feature"),
        ("next", advice),
    ]
    return "\n".join(f"{name:<10}{text}" for name, text in lines)
