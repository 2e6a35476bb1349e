"""The shared part of the clusters' profiles, which cannot include each other, but may be templates that call Python."""

from typing import Any

import yaml

from i3d.errors import UserError
from i3d.paths import workflow_folder

PROFILES = workflow_folder("profiles")


def options(cluster: str, gres: str, cpus: int, memory_gb: int) -> dict[str, Any]:
    """Return Snakemake's options for a cluster, by name, as in a profile.

    `gres`, `cpus` and `memory_gb` are for a bundle's whole job, which has two rules' jobs whose numbers Snakemake adds
    up. One CPU feeds the GPU, the others decode. Paths are absolute, so that a profile can be used from any folder.
    Raises UserError for fewer than two CPUs.
    """
    if cpus < 2:
        raise UserError(f"{cluster}: `cpus: {cpus}` is too few, as one CPU feeds the GPU and others decode: write 2")
    profile: dict[str, Any] = yaml.safe_load((PROFILES / "shared/options.yaml").read_text())
    half = memory_gb * 1024 // 2
    profile["default-resources"] |= {"gres": gres, "cpus_per_task": 1, "mem_mb": f"{half} * attempt"}
    profile["set-threads"] = {"decode": cpus - 1, "extract": 1, "measure_machine": cpus}
    profile["set-resources"] = {
        "decode": {"cpus_per_task": cpus - 1},
        "measure_machine": {"cpus_per_task": cpus, "mem_mb": memory_gb * 1024},
    }
    profile["cores"] = cpus  # for dry runs; newer Snakemakes refuse fewer
    profile["configfile"] = [str(PROFILES / "shared/settings.yaml"), str(PROFILES / cluster / f"{cluster}.yaml")]
    return profile
