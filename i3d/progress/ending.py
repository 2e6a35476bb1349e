"""The end of a run in words: what is done, skipped and failed, how long it took, where the table is, what is next."""

import time
from pathlib import Path

from i3d.quantities import count, duration
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_summary import read_summary


def ending_text(features: Path, began: float) -> str:
    """How a run on this features tree ended, which began at `began` (seconds since the epoch)."""
    took = duration(time.time() - began)
    path = features / SUMMARY
    try:
        runs = read_summary(path) if path.stat().st_mtime >= began else []
    except (OSError, ValueError):
        runs = []
    if not runs:
        return f"The run took {took}, but its tables were not written; run snakemake again for them."
    run = runs[-1]
    failed, skipped = run["failed_videos"], run["videos_skipped"]
    present = run["total_videos"] - skipped - failed
    if failed:
        advice = "run the same command again: it tries what failed, and leaves alone what is done"
    else:
        advice = "`make report` draws the report; `snakemake --cores 1 lists` writes lists for trainers"
    lines = [
        ("done", f"{count(run['processed_videos'], 'feature')} in {took}"),
        ("videos", f"{run['total_videos']:,}: {present:,} with features, {skipped:,} skipped, {failed:,} failed"),
        ("table", f"{features / METADATA} has a row for each video, with a reason where it was skipped or failed"),
        ("next", advice),
    ]
    return "\n".join(f"{name:<10}{text}" for name, text in lines)
