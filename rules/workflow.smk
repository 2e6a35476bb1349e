"""All rules but `all`, for Snakefile, in a clone, and workflow/Snakefile, by address.

Snakemake forgets the default target of a file that is included: each of the two has its own `rule all`.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.utils import min_version

min_version("9.17")

if find_spec("i3d") is None:
    sys.exit(
        f"error: {sys.executable} has no package 'i3d'; activate the workflow's environment (`source .venv/bin/activate` "
        "in its folder), or install it into this one with pip"
    )


from i3d.cluster import snakemake_internals
from i3d.command_line import CONFIG, read_config
from i3d.errors import exit_on_user_error

CONFIGURED = os.path.lexists(CONFIG)
if CONFIGURED and not snakemake_internals.is_module(workflow):
    with exit_on_user_error():
        CONFIGURED = bool(read_config(CONFIG))  # Snakemake would not say which file is wrong, and where

if CONFIGURED:

    configfile: str(CONFIG)


include: "common.smk"
include: "weights.smk"
include: "selfcheck.smk"
include: "decode.smk"
include: "extract.smk"
include: "feature.smk"
include: "aggregate.smk"
include: "metadata.smk"
include: "export.smk"
include: "report.smk"


onstart:
    HOOKS.begin()


onsuccess:
    HOOKS.end()


onerror:
    HOOKS.end_failed()
