"""What the profiles of the clusters share: a profile's config.yaml says what one job asks for, this makes it options.

Snakemake's profiles cannot include each other, but may be templates, in which Python is called.
"""

from typing import Any

import yaml

from i3d.paths import workflow_folder

PROFILES = workflow_folder("profiles")


def options(cluster: str, gres: str, cpus: int, memory_gb: int) -> dict[str, Any]:
    """Snakemake's options for a cluster, by name, as in a profile.

    A bundle's job gets `gres`, `cpus` and `memory_gb` as a whole: it is two rules' jobs, whose numbers Snakemake adds
    up. One CPU feeds the GPU, the others decode. Paths are absolute, so that a profile can be used from any folder.
    """
    found: dict[str, Any] = yaml.safe_load((PROFILES / "shared/options.yaml").read_text())
    half = memory_gb * 1024 // 2
    found["default-resources"] |= {"gres": gres, "cpus_per_task": 1, "mem_mb": f"{half} * attempt"}
    found["set-threads"] = {"decode": cpus - 1, "extract": 1, "measure_machine": cpus}
    found["set-resources"] = {
        "decode": {"cpus_per_task": cpus - 1},
        "measure_machine": {"cpus_per_task": cpus, "mem_mb": memory_gb * 1024},
    }
    found["cores"] = cpus  # that a dry run may plan with; fewer are an error for a newer Snakemake
    found["configfile"] = [str(PROFILES / "shared/settings.yaml"), str(PROFILES / cluster / f"{cluster}.yaml")]
    return found
