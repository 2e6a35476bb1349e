"""Settings on the command lines of the programs beside Snakemake, and the settings of the last run."""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from i3d import commands
from i3d.config import complete, schema
from i3d.errors import UserError
from i3d.files import read_file, write_atomically
from i3d.settings import Settings

CONFIG = Path("config/config.yaml")
MERGE = "tag:yaml.org,2002:merge"  # the key `<<`
LAST_CONFIG = Path("logs/last_config.yaml")  # what the last run was given in addition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--configfile` and `--config`, as Snakemake has them, to a program.

    Without either it looks at what the last run from this folder worked on.
    """
    parser.add_argument("--configfile", type=Path, nargs="+", help="YAML, later wins; default: config/config.yaml")
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="settings, as for snakemake")


def add_settings(parser: argparse._ActionsContainer, names: Iterable[str]) -> None:
    """Add an option for each of these settings to a program, with its meaning and default from `i3d.settings`."""
    for name in names:
        own = schema()["properties"][name]
        default = "null" if own["default"] is None else str(own["default"])
        choices = f" ({', '.join(map(str, own['enum']))})" if "enum" in own else ""
        text = f"{own['description']}{choices}; default: {default}".replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text)


def add_all_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--settings`, which takes all settings in one text, to a program."""
    text = "what config/config.yaml may hold, as YAML or JSON"
    parser.add_argument("--settings", type=_read_settings, default={}, metavar="TEXT", help=text)


def _read_settings(text: str) -> Any:
    """Read JSON, as the rules write it and YAML takes for something else in places, or YAML."""
    try:
        return _read_json(text) or yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"cannot be read as YAML ({_in_a_line(error)}); correct it") from None


def _read_json(text: str) -> Any:
    """Read JSON; None for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def given_settings(args: argparse.Namespace, names: Iterable[str]) -> dict[str, str]:
    """Return the values of the options from `add_settings` that were set."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def configuration(args: argparse.Namespace) -> Settings:
    """Return the settings that the options of `add_arguments` select. Raises UserError if they are invalid."""
    files = args.configfile
    if files is None:
        files = [path for path in (CONFIG, *([] if args.config else [LAST_CONFIG])) if path.exists()]
    commands.use(files, args.config)
    config: dict[str, Any] = {}
    for path in files:
        config |= read_config(path)
    return complete(config | dict(map(read_setting, args.config)))


class _UniqueKeys(yaml.SafeLoader):
    """YAML's own loader takes the last of two equal keys, in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for (tag, key), number in keys.items():
            if number > 1 and tag != MERGE:
                raise yaml.MarkedYAMLError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return node


def read_config(path: Path) -> dict[str, Any]:
    """Read the settings in a YAML file. Raises UserError if it is missing, damaged, or not keys with values."""
    try:
        text = read_file(path).decode("utf-8-sig")
        content = _read_json(text) or yaml.load(text, _UniqueKeys)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not in UTF-8 ({error}); save it in that encoding") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name the right file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({_in_a_line(error)}); correct it") from None
    if not isinstance(content or {}, dict):
        raise UserError(f"{path}: must hold keys and values, like 'videos: dataset/videos'")
    return content or {}


def read_setting(text: str) -> tuple[str, Any]:
    """Split `key=value`, with the value in YAML. Raises UserError if there is no `=`, or no YAML after it."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--config {text}: write KEY=VALUE, like videos=dataset/videos")
    try:
        return key, yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"--config {text}: cannot be read as YAML ({_in_a_line(error)}); correct or quote it") from None


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())


def remember(overrides: dict[str, Any]) -> None:
    """Keep the settings from a run's `--configfile` and `--config` for status, watch and report."""
    write_atomically(LAST_CONFIG, yaml.safe_dump(overrides))
