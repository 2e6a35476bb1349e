"""Check that this machine computes the right numbers, measure how fast, and keep the result for planning.

    snakemake --cores 4 selfcheck
    python scripts/selfcheck.py --videos dataset/videos --weights random

Ends with an error if not even fp32 gives the right numbers. Other precisions that fail are refused by later runs here.
"""

import argparse
from pathlib import Path
from typing import Any

from i3d.config import complete, load_schema
from i3d.cost import machine
from i3d.cost.calibration import save
from i3d.errors import UserError, run_main
from i3d.selfcheck.check import Options, SelfCheck

# Options that mean what they mean in the configuration.
SETTINGS = (
    "weights",
    "model",
    "normalization",
    "sample_mode",
    "frequency",
    "clip_length",
    "batch_size",
    "precision",
    "device",
    "decoder",
    "fps",
    "via_jpeg",
    "videos",
    "calibration",
)


def main() -> None:
    args = parse_args()
    lists = {name: getattr(args, name) for name in ("subsets", "extensions")}
    settings = complete({name: getattr(args, name) for name in SETTINGS} | lists)  # refuses wrong values in words
    names = set(Options.__dataclass_fields__) & settings.keys()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    cpus = min(args.cpus, machine.cpu_count())
    check = SelfCheck(Options(**{name: settings[name] for name in names}, gres=args.gres, cpus=cpus), say)
    calibration = check.run()
    path = Path(settings["calibration"])
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
    schema = load_schema()["properties"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SETTINGS:
        default = schema[name]["default"]
        kind: Any = {bool: _switch, type(None): float}.get(type(default), type(default))
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=schema[name]["description"])
    for name in ("subsets", "extensions"):
        default, text = schema[name]["default"], schema[name]["description"]
        parser.add_argument(f"--{name}", nargs="*", default=default, metavar=name[:-1].upper(), help=text)
    parser.add_argument("--gres", default="", help="what a SLURM job asked for, like gpu:a100_4g.20gb:1")
    parser.add_argument("--cpus", type=int, default=machine.cpu_count(), help="CPUs to use, of those there are")
    parser.add_argument("--report", type=Path, help="file to write what is printed to as well")
    return parser.parse_args()


def _switch(text: str) -> bool | str:
    """A setting that is true, false or a name."""
    return {"true": True, "false": False}.get(text, text)


if __name__ == "__main__":
    run_main(main)
