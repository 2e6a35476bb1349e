"""Fetch the published weights of the configured model: `snakemake --cores 1 weights`.

Takes: the network, on a cluster a login node's. Gives: the file that `weights` names by default, unless one of that name
is there already; of I3D also the published Caffe2 file, which is converted for PyTorch. docs/features.md says under
which licences they are.
"""


rule weights:
    input:
        weights_to_make,
    localrule: True


rule download_weights:
    output:
        update("resources/{published}"),
    log:
        "<logs>/weights/{published}.log",
    wildcard_constraints:
        published="|".join(map(re.escape, PUBLISHED)),
    localrule: True
    conda:
        "../envs/extract.yaml"
    params:
        script=f"{SCRIPTS}/download_weights.py",
        model=lambda wildcards: PUBLISHED[wildcards.published],
    shell:
        r"""
        python {params.script:q} {params.model:q} {output:q} 2>&1 | tee {log:q}
        """


rule convert_weights:
    input:
        published_weights,
    output:
        update("resources/{model}_kinetics.pth"),
    log:
        "<logs>/weights/{model}.log",
    wildcard_constraints:
        model="|".join(model.name for model in i3d_r50.BACKBONES),
    localrule: True
    conda:
        "../envs/extract.yaml"
    params:
        script=f"{SCRIPTS}/convert_weights.py",
    shell:
        r"""
        python {params.script:q} --model {wildcards.model} {input:q} {output:q} 2>&1 | tee {log:q}
        """
