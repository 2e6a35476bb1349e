"""The shared part of the clusters' profiles, which cannot include each other, but may be templates that call Python."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from i3d.errors import UserError
from i3d.paths import workflow_folder

PROFILES = workflow_folder("profiles")


def options(cluster: str, gres: str, cpus: int, memory_gb: int) -> dict[str, Any]:
    """Return Snakemake's options for a cluster, by name, as in a profile.

    `gres`, `cpus` and `memory_gb` are for a bundle's whole job, which has two rules' jobs whose numbers Snakemake adds
    up. One CPU feeds the GPU, the others decode. Paths are absolute, so that a profile can be used from any folder.
    Raises UserError for fewer than two CPUs, and for a missing file.
    """
    if cpus < 2:
        raise UserError(f"{cluster}: `cpus: {cpus}` is too few, as one CPU feeds the GPU and others decode: write 2")
    profile: dict[str, Any] = yaml.safe_load(_file("shared/options.yaml").read_text())
    half = memory_gb * 1024 // 2
    profile["default-resources"] |= {"gres": gres, "cpus_per_task": 1, "mem_mb": f"{half} * attempt"}
    profile["set-threads"] = {"decode": cpus - 1, "extract": 1, "measure_machine": cpus}
    profile["set-resources"] = {
        "decode": {"cpus_per_task": cpus - 1},
        "measure_machine": {"cpus_per_task": cpus, "mem_mb": memory_gb * 1024},
    }
    profile["cores"] = cpus  # for dry runs; newer Snakemakes refuse fewer
    profile["configfile"] = [str(_file(name)) for name in ("shared/settings.yaml", f"{cluster}/{cluster}.yaml")]
    return profile


def _file(name: str) -> Path:
    """Return a file of the profiles: one beside the profile in use, or else the workflow's own."""
    places = [folder / name for folder in (*folders_in_use(sys.argv), PROFILES)]
    for path in places:
        if path.exists():
            return path
    raise UserError(f"{places[0]} is missing, which holds the profile's settings: write it, if only `cluster: null`")


def folders_in_use(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that hold the profiles in Snakemake's arguments, unless it finds these by a mere name."""
    given = {"--profile": os.environ.get("SNAKEMAKE_PROFILE", ""), "--workflow-profile": ""}
    for word, following in pairwise((*arguments, "")):
        option, equals, value = word.partition("=")
        if option in given:
            given[option] = value if equals else following
    return [Path(profile).absolute().parent for profile in given.values() if profile and Path(profile).is_dir()]
