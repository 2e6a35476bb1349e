"""Snakemake commands for messages: they work as printed, from the user's folder and with the settings of the run."""

import argparse
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence

_VARIABLE = "I3D_COMMAND"  # inherited by the programs that a run starts
_OPTIONS = ("--snakefile", "-s"), ("--directory", "-d"), ("--profile",), ("--workflow-profile",)


def remember(arguments: Sequence[str], naming: str = "*") -> None:
    """Keep Snakemake's Snakefile, folder, profiles and settings for later commands. A job keeps those of its run.

    `naming` is what a workflow that takes this one as a module calls its rules, such as `i3d_*`.
    """
    if _VARIABLE in os.environ:
        return
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for names in _OPTIONS:
        parser.add_argument(*names)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    try:
        parsed, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # arguments of a program that uses Snakemake as a library
        return
    options = []
    for longest, *_ in _OPTIONS:
        value = getattr(parsed, longest.strip("-").replace("-", "_"))
        options += [longest, value] if value else []
    use(parsed.configfile, parsed.config, options, naming)


def use(configfiles: Iterable[object], config: Iterable[str], options: Iterable[str] = (), naming: str = "*") -> None:
    """Add these settings, each `key=value`, and further options to all commands from now on."""
    files = [str(path) for path in configfiles]
    # Files first, as an option has to end them: in a command with a profile no other option follows.
    os.environ[_VARIABLE] = json.dumps([[*(["--configfile", *files] if files else []), *options], list(config), naming])


def snakemake(*words: str, cores: str = "1", config: Mapping[str, object] | None = None) -> str:
    """Return the command with these rules or options, in backquotes; `config` adds or replaces settings."""
    options, remembered, naming = json.loads(os.environ.get(_VARIABLE, '[[], [], "*"]'))
    settings = dict(setting.partition("=")[::2] for setting in remembered) | dict(config or {})
    pairs = [f"{key}={value}" for key, value in settings.items()]
    jobs = [] if "--profile" in options else ["--cores", cores]  # a profile sets the number
    command = ["snakemake", *(["--config", *pairs] if pairs else []), *options, *jobs]
    command += [word if word.startswith("-") else naming.replace("*", word) for word in words]
    return f"`{shlex.join(command)}`"
