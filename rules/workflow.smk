"""All rules but `all`, for Snakefile, in a clone, and workflow/Snakefile, by address.

Snakemake forgets the default target of a file that is included: each of the two has its own `rule all`.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.17")


if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


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
    begin_run()


onsuccess:
    end_run()


onerror:
    end_failed_run()
