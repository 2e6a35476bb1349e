"""Extract the features of a bundle's frames with the configured network.

Takes: the frame stream, the bundle file, which holds the settings, and the weights. Gives: each feature, in the staging
tree as soon as it is done, and a line in the bundle's journal for each video; the output only marks that all are done.
The journal is no output: Snakemake deletes the outputs of a job that fails, and what it had finished would be lost.
"""


rule extract:
    input:
        frames=rules.decode.output.frames,
        bundle="<work>/bundles/{bundle}.json",
    output:
        touch("<work>/extracted/{bundle}"),
    log:
        "<logs>/extract/{bundle}.log",
    conda:
        "../envs/extract.yaml"
    threads: extract_threads
    resources:
        runtime=time_limit,
    params:
        script=f"{SCRIPTS}/extract.py",
    shell:
        r"""
        export OMP_WAIT_POLICY=PASSIVE # idle threads sleep: spinning ones take the cores from decode
        exec python {params.script:q} \
            --bundle {input.bundle:q} \
            --frames {input.frames:q} \
            --threads {threads} \
            2>{log:q}
        """
