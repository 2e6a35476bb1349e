"""Record what a person sees of a run, as text: writes docs/terminal.md.

    make env && python -m bench.terminal_recording

It runs the demo in a terminal of its own, in two bundles, with `make watch` in another one, and looks at both every
few seconds.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[1]
SECONDS = 15  # between two looks
COLUMNS = 100
SETTINGS = ["videos=videos", "features=features", "weights=random", "bundle_frames=100"]

TEXT = """# What a run looks like

Written by `python -m bench.terminal_recording`: the demo on two busy CPU cores, in two bundles, in a terminal of
{columns} columns, recorded every {seconds} seconds. Bars are updated every second, in colour if the terminal supports
it. On a cluster each bundle shows its job's number; the last line counts bundles that wait in the queue.

Errors scroll past above the bars. If output goes to a file, a line a minute replaces the bars. `--verbose` adds
Snakemake's own messages, which are in `.snakemake/log` in any case. A dry run (`-n`) lists jobs in Snakemake's words,
after the plan.

## The terminal of `snakemake --cores 2`

{run}

## `make watch` in another terminal

{watch}
"""


def main() -> None:
    """Command line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "rules", "scripts", "i3d", "config", "envs", "profiles"):
            (folder / part).symlink_to(ROOT / part)
        subprocess.run([sys.executable, ROOT / "scripts/make_demo_videos.py", folder / "videos"], check=True)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", *SETTINGS]
        run, watch = record(folder, command)
    text = TEXT.format(columns=COLUMNS, seconds=SECONDS, run=run, watch=watch)
    (ROOT / "docs/terminal.md").write_text(text)


def record(folder: Path, command: list[str]) -> tuple[str, str]:
    """Return what the terminal of a run showed, and that of `make watch` beside it."""
    began = time.monotonic()
    plain = {"NO_COLOR": "1"}  # what is not done yet is a dim line in colour, and blank here
    run = Terminal(command, folder, columns=COLUMNS, **plain)
    while run.going and not (folder / "features/.i3d/progress/run.json").exists():
        time.sleep(0.1)
    watch = Terminal([sys.executable, "scripts/watch.py"], folder, columns=COLUMNS, **plain)
    looks, watched = [look(began, run)], [look(began, watch)]
    while run.going:
        time.sleep(SECONDS)
        looks.append(look(began, run))
        watched.append(look(began, watch))
    if run.end() or watch.end():
        sys.exit(run.drawn + watch.drawn)
    watched.append(look(began, watch))
    return fenced(looks), fenced(watched)


def look(began: float, terminal: Terminal) -> tuple[float, list[str]]:
    return time.monotonic() - began, terminal.shown


def fenced(looks: list[tuple[float, list[str]]]) -> str:
    """Looks at a terminal as blocks of text; lines that stand as they did before are left out."""
    blocks = []
    before: list[str] = []
    for seconds, lines in looks:
        same = next((place for place, (a, b) in enumerate(zip(lines, before, strict=False)) if a != b), len(before))
        if lines[same:]:
            blocks.append(f"After {seconds:.0f} s:\n\n```text\n" + "\n".join(lines[same:]).strip("\n") + "\n```")
        before = lines
    return "\n\n".join(blocks)


if __name__ == "__main__":
    main()
