"""Watch a run from another terminal, or from another machine that sees the features tree.

Without options it watches what was last run from this folder. It reads small files and disturbs nothing.
"""

import argparse
import sys
import time

from i3d.command_line import CONFIG, LAST_CONFIG, add_arguments, configuration
from i3d.errors import UserError, run_main
from i3d.progress.run import RunProgress
from i3d.progress.screen import open_screen
from i3d.records.work_folder import WorkFolder

LOOK_SECONDS = 1.0  # between two looks whether the run has ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.set_defaults(configfile=[path for path in (CONFIG, LAST_CONFIG) if path.exists()])
    features = configuration(parser.parse_args()).features
    run = RunProgress(WorkFolder.beside(features).progress)
    if run.over:
        raise UserError(f"{features}: no run is at work there; `make status` tells what is done")
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
