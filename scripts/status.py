"""Print where a tree stands: what is done, what is to do, what it will take. Starts nothing, disturbs no run."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from i3d.config import complete
from i3d.errors import UserError, run_main
from i3d.planning.overview import NAMED, status_text
from i3d.planning.plan import make_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[Path("config/config.yaml")], help="YAML, later wins"
    )
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="settings, as for snakemake")
    parser.add_argument("--all", action="store_true", help="name every skipped or failed video")
    args = parser.parse_args()
    config: dict[str, Any] = {}
    for path in args.configfile:
        config |= read_config(path)
    plan = make_plan(complete(config | dict(map(read_setting, args.config))))
    print(status_text(plan, "all with --all", len(plan.videos) if args.all else NAMED))


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises UserError if it is missing or no YAML of keys and values."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); call this from the workflow's folder, or use --configfile"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(
            f"{path}: cannot be read as YAML ({error}); correct it, or give another with --configfile"
        ) from None
    if not isinstance(content or {}, dict):
        raise UserError(f"{path}: must hold keys and values, like 'videos: dataset/videos'")
    return content or {}


def read_setting(text: str) -> tuple[str, Any]:
    """`key=value`, the value in YAML. Raises UserError if there is no `=`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--config {text}: write KEY=VALUE, like videos=dataset/videos")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    run_main(main)
