"""Watch a run from another terminal, or from another machine that sees the features tree.

Without options it watches what was last run from this folder. It reads small files and disturbs nothing.
"""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from i3d.command_line import add_arguments, configuration
from i3d.errors import UserError, run_main
from i3d.progress.run import RunProgress
from i3d.progress.screen import open_screen
from i3d.records.work_folder import WorkFolder

LOOK_SECONDS = 1.0  # between two looks whether the run has ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    features = configuration(parser.parse_args()).features
    run = RunProgress(WorkFolder.beside(features).progress)
    if run.over:
        status = os.path.relpath(Path(__file__).with_name("status.py"))
        raise UserError(
            f"{features}: no run is at work there; `{shlex.join(['python', status, *sys.argv[1:]])}` shows what is done"
        )
    screen = open_screen(run, sys.stdout)
    screen.start()
    try:
        while not run.over:
            time.sleep(LOOK_SECONDS)
    finally:
        screen.stop()
    print(f"The run has ended; {features}/metadata.csv tells what became of each video.")


if __name__ == "__main__":
    run_main(main)
