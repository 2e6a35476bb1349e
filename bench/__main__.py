"""Measure every stage alone and the whole, against a plain baseline in the same run, and write tables.

Times of shared machines drift: what counts are the ratios, taken within one run.

    python -m bench --output docs/bench.md                      all, an hour or more on two CPUs
    python -m bench --output docs/bench.md --sections decode    this one again

What else the file holds stays.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from bench import decode, planning
from bench.measuring import table, with_sections
from i3d.errors import run_main

SECTIONS = ("decode", "network", "whole", "planning", "expected")
STAGE = ("stage", "seconds", "rate", "note")


def main() -> None:
    args = parse_args()
    sections = sections_of(args)
    for name in args.sections:
        tables = sections[name]()
        for lines in tables:
            print("\n".join(lines))
        if args.output:  # at once: a later section may fail
            old = args.output.read_text() if args.output.exists() else "# Measured speeds\n"
            args.output.write_text(with_sections(old, tables))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="Markdown file to put the tables in")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="what to measure (all)")
    parser.add_argument("--clips", nargs="*", type=Path, default=[], help="videos to decode besides made-up ones")
    parser.add_argument("--snippets", type=int, default=24, help="length of the clip of the whole runs")
    parser.add_argument("--videos", type=int, default=10_000, help="size of the tree to plan for")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement; the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    return parser.parse_args()


def sections_of(args: argparse.Namespace) -> dict[str, Callable[[], list[list[str]]]]:
    """What measures each section, and gives its tables."""
    repeats, threads = args.repeats, args.threads

    def decoding() -> list[list[str]]:
        from bench import reader

        stage, pairs = decode.stage(args.clips, repeats), decode.pairs(args.clips, repeats)
        resize = decode.resizing(repeats)
        return [
            table("Decode stage: CPU time per frame on one core", decode.STAGE_HEAD, stage, 1),
            table("decord and PyAV: CPU time per frame on one core", decode.PAIR_HEAD, pairs, 1),
            table("Resize to 340x256: CPU time per frame on one core", decode.RESIZE_HEAD, resize, 1),
            table("Frame stream", STAGE, decode.pipe(repeats), 1),
            table("From the stream to the batch: CPU time per frame", reader.HEAD, reader.reading(repeats), 1),
        ]

    def network() -> list[list[str]]:
        import torch

        from bench.network import network

        torch.set_num_threads(threads)
        return [table("Network, ten crops", STAGE, network(repeats), threads)]

    def whole() -> list[list[str]]:
        from bench.whole import Whole

        rows = Whole(args.snippets, repeats, threads).rows()
        return [table("Video file to .npy, start-up included", ("run", "seconds", "rate", "ratio"), rows, threads)]

    def plans() -> list[list[str]]:
        title = f"Planning: `snakemake -n -q` for {args.videos:,} videos"
        rows = planning.planning(args.videos, repeats)
        return [table(title, ("dry run", "seconds", "rate", "ratio"), rows, threads)]

    def expected() -> list[list[str]]:
        title = f"Hours of video at {planning.PLANNED_FPS} frames a second per hour of a GPU or slice"
        rows = planning.hours_per_hour()
        return [table(f"{title}: computed, not measured", ("slice", "fp32", "tf32", "bf16, fp16"), rows, threads)]

    measures = (decoding, network, whole, plans, expected)
    return dict(zip(SECTIONS, measures, strict=True))


if __name__ == "__main__":
    run_main(main)
