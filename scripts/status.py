"""Print where a tree stands: what is done, what is to do, what it will take. Starts nothing, disturbs no run.

Without options it looks at what was last run from this folder.
"""

import argparse
from signal import SIG_DFL, SIGPIPE, signal

from i3d.command_line import add_arguments, configuration
from i3d.errors import run_main
from i3d.planning.overview import status_text
from i3d.planning.plan import make_plan
from i3d.quantities import SPELT_OUT


def main() -> None:
    signal(SIGPIPE, SIG_DFL)  # as other programs end that are read by `head`
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--all", action="store_true", help="name every skipped or failed video")
    args = parser.parse_args()
    plan = make_plan(configuration(args))
    print(status_text(plan, "all with --all", len(plan.videos) if args.all else SPELT_OUT), flush=True)
    if plan.problem is not None:
        raise plan.problem


if __name__ == "__main__":
    run_main(main)
