"""Planning: dry runs on a large tree, and what the cost model expects of a GPU."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.measuring import ROOT, Row, in_turn, row, seconds_of
from i3d.cost.devices import devices
from i3d.cost.work import assumed
from i3d.settings import NumericSettings
from scripts.make_demo_videos import write_clip

WORKFLOW = ("Snakefile", "rules", "scripts", "i3d", "config")  # what a folder needs for a dry run
EMPTY_RULE = """
rule all:
    input:
        expand("features/{{number}}.npy", number=range({videos})),


rule empty:
    output:
        "features/{{number}}.npy",
    shell:
        "touch {{output}}"
"""
PLANNED_FPS = 30


def planning(videos: int, repeats: int) -> Iterator[Row]:
    """Dry runs on a tree of videos, against an empty rule with as many targets."""
    with tempfile.TemporaryDirectory() as name:
        folder, empty = Path(name) / "workflow", Path(name) / "empty"
        for path in (folder / "videos", empty):
            path.mkdir(parents=True)
        (empty / "Snakefile").write_text(EMPTY_RULE.format(videos=videos))
        for part in WORKFLOW:
            (folder / part).symlink_to(ROOT / part)
        write_clip(folder / "clip.mp4", 40, speed=5)
        for number in range(videos):
            (folder / f"videos/{number}.mp4").hardlink_to(folder / "clip.mp4")
        config = ["--config", "videos=videos", "features=features", "weights=random"]
        first = seconds_of(partial(dry_run, folder, *config))
        runs: dict[str, Callable[[], None]] = {
            "an empty rule": partial(dry_run, empty),
            "the workflow, again": partial(dry_run, folder, *config),
        }
        seconds = in_turn(runs, repeats) | {"the workflow, each video read for the first time": first}
        for label, value in seconds.items():
            ratio = f"{value / seconds['an empty rule']:.2f} x the empty rule"
            yield row(label, value, videos, "videos", ratio)


def dry_run(folder: Path, *arguments: str) -> None:
    """`snakemake -n -q` in a folder."""
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "--cores", "1", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def hours_per_hour() -> Iterator[Row]:
    """Rows of the planning table: what i3d/cost/work.py expects of each slice, ten crops."""
    for name, device in devices().items():
        settings = [NumericSettings(precision=precision) for precision in ("fp32", "tf32", "bf16")]
        rates = [assumed(device, each).snippets_per_second * each.frequency for each in settings]
        fp32, tf32, half = (f"{rate / PLANNED_FPS:,.0f}" for rate in rates)
        yield name, fp32, tf32, half
