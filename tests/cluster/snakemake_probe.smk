"""Prints what the module that touches Snakemake's own objects makes of them; tests/cluster runs it."""

import json
import sys
from pathlib import Path

from i3d.cluster import snakemake_internals as internals

MODULE = internals.is_module(workflow)  # as rules/common.smk asks, while it is read
PREFIX = internals.module_prefix(workflow)
NAMING = internals.naming(workflow)


def tell(wildcards=None):
    forced = internals.forced(workflow, [NAMING.replace("*", "work")])
    print(
        "told",
        json.dumps(
            {
                "executes": internals.executes(workflow),
                "module": MODULE,
                "prefix": PREFIX,
                "naming": NAMING,
                "elsewhere": internals.works_elsewhere(workflow),
                "targets": internals.targets(workflow),
                "forced": None if forced is None else sorted(forced),
                "notemp": internals.keeps_temporary_files(workflow),
                "locked": internals.executes(workflow) and internals.is_locked(workflow),
                "job": str(internals.cluster_job(workflow)),
                "profile": str(internals.foreign_profile(workflow, Path("own"))),
                "slurm": internals.slurm_run(workflow) is not None,
            }
        ),
        file=sys.stderr,
    )
    internals.add_hooks(
        workflow,
        lambda: print("ours at the start"),
        lambda: print("ours at the end"),
        lambda: print("ours after failure"),
    )
    return []


rule work:
    input:
        tell,
    output:
        "{name}.txt",
    params:
        fails=config.get("fails", 0),
    shell:
        "touch {output}; exit {params.fails}"


rule all:
    default_target: True
    input:
        "one.txt",


onstart:
    print("theirs at the start")


onsuccess:
    print("theirs at the end")


onerror:
    print("theirs after failure")
