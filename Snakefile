"""From a tree of surveillance videos to a mirrored tree of I3D-ResNet50 features.

snakemake --cores 4                      here
snakemake --profile profiles/narval      on Narval
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.17")


if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/weights.smk"
include: "rules/selfcheck.smk"
include: "rules/decode.smk"
include: "rules/extract.smk"
include: "rules/feature.smk"
include: "rules/aggregate.smk"
include: "rules/metadata.smk"
include: "rules/export.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        due_files,
    localrule: True


onstart:
    begin_run()


onsuccess:
    end_run()


onerror:
    end_failed_run()
