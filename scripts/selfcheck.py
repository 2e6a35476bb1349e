"""Check that this machine computes the right numbers, measure how fast, and keep the result for planning.

    snakemake --cores 4 selfcheck
    python scripts/selfcheck.py --settings '{videos: dataset/videos, weights: random}'

Ends with an error if not even fp32 gives the right numbers. Other precisions that fail are refused by later runs here.
"""

import argparse
from pathlib import Path

from i3d.command_line import add_all_settings
from i3d.config import complete
from i3d.cost import machine
from i3d.cost.calibration import save
from i3d.errors import UserError, run_main_and_leave
from i3d.selfcheck.check import SelfCheck


def main() -> None:
    args = parse_args()
    settings = complete(args.settings)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    calibration = SelfCheck(settings, args.gres, min(args.cpus, machine.cpu_count()), say).run()
    path = Path(settings.calibration)
    save(path, calibration)
    say("")
    say(f"Kept in {path} for {calibration.device}.")
    if args.report:
        args.report.write_text("\n".join(lines) + "\n")
    if "fp32" in calibration.failed:
        raise UserError(
            f"fp32 does not give the right numbers on {calibration.hardware} ({calibration.failed['fp32']}): "
            "do not extract here; try other versions of torch, cuDNN or the driver"
        )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_all_settings(parser)
    parser.add_argument("--gres", default="", help="what a SLURM job asked for, like gpu:a100_4g.20gb:1")
    parser.add_argument("--cpus", type=int, default=machine.cpu_count(), help="CPUs to use, of those there are")
    parser.add_argument("--report", type=Path, help="file to write what is printed to as well")
    return parser.parse_args()


if __name__ == "__main__":
    run_main_and_leave(main)
