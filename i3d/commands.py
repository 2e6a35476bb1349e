"""Commands as messages name them: as printed they work from where the user stands, with what the run was given."""

import argparse
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence

_VARIABLE = "I3D_COMMAND"  # which the programs that a run starts inherit
_OPTIONS = ("--snakefile", "-s"), ("--directory", "-d"), ("--profile",), ("--workflow-profile",)


def remember(arguments: Sequence[str]) -> None:
    """Take over what Snakemake was given: its Snakefile, folder and settings. In a job, the run's own stay."""
    if _VARIABLE in os.environ:
        return
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for names in _OPTIONS:
        parser.add_argument(*names)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    try:
        given, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # arguments of a program that uses Snakemake as a library
        return
    options = []
    for longest, *_ in _OPTIONS:
        value = getattr(given, longest.strip("-").replace("-", "_"))
        options += [longest, value] if value else []
    use(given.configfile, given.config, options)


def use(configfiles: Iterable[object], config: Iterable[str], options: Iterable[str] = ()) -> None:
    """Let commands carry these settings, each `key=value`, and further options."""
    files = [str(path) for path in configfiles]
    value = [[*options, *(["--configfile", *files] if files else [])], list(config)]
    os.environ[_VARIABLE] = json.dumps(value)


def snakemake(*words: str, cores: str = "1", config: Mapping[str, object] | None = None) -> str:
    """The command that makes these targets, in backquotes; `config` are settings to add or replace."""
    options, given = json.loads(os.environ.get(_VARIABLE, "[[], []]"))
    settings = dict(setting.partition("=")[::2] for setting in given) | dict(config or {})
    pairs = [f"{key}={value}" for key, value in settings.items()]
    jobs = [] if "--profile" in options else ["--cores", cores]  # a profile says how many
    command = ["snakemake", *(["--config", *pairs] if pairs else []), *options, *jobs, *words]
    return f"`{shlex.join(command)}`"
