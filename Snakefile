"""From a tree of surveillance videos to a mirrored tree of I3D-ResNet50 features.

snakemake --cores 4                      here
snakemake --profile profiles/narval      on Narval
"""


include: "rules/workflow.smk"


rule all:
    default_target: True
    input:
        due_files,
    localrule: True
