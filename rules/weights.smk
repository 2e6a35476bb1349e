"""Fetch the published weights and convert them for PyTorch: `snakemake --cores 1 weights`.

Takes: the network, on a cluster a login node's. Gives: resources/{model}_kinetics.pth for the configured model, and
the published Caffe2 file, unless a file of that name is there already. Its licence is CC BY-NC 4.0: research yes, commerce no.
"""


rule weights:
    input:
        weights_to_make,
    localrule: True


rule download_weights:
    output:
        update("resources/{published}.pkl"),
    log:
        "<logs>/weights/{published}.log",
    wildcard_constraints:
        published="|".join(model.published for model in MODELS.values()),
    localrule: True
    conda:
        "../envs/extract.yaml"
    params:
        script=f"{SCRIPTS}/download_weights.py",
        url="https://dl.fbaipublicfiles.com/video-nonlocal/{published}.pkl",
    shell:
        r"""
        python {params.script:q} {params.url:q} {output:q} 2>&1 | tee {log:q}
        """


rule convert_weights:
    input:
        published_weights,
    output:
        update("resources/{model}_kinetics.pth"),
    log:
        "<logs>/weights/{model}.log",
    wildcard_constraints:
        model="|".join(MODELS),
    localrule: True
    conda:
        "../envs/extract.yaml"
    params:
        script=f"{SCRIPTS}/convert_weights.py",
    shell:
        r"""
        python {params.script:q} --model {wildcards.model} {input:q} {output:q} 2>&1 | tee {log:q}
        """
