"""Extract the features of a bundle's frames with I3D-ResNet50.

Takes: the frame stream, the bundle file, the weights. Gives: each feature, in the staging tree as soon as it is done,
and a line in the bundle's journal for each video; the output only marks that all are done. The journal is no output:
Snakemake deletes the outputs of a job that fails, and what it had finished would be lost.
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
        weights=config["weights"],
        staging=WORK.staging,
        journal=f"{WORK.journals}/{{bundle}}.jsonl",
        progress=f"{WORK.progress}/extract/{{bundle}}.json",
        device=config["device"],
        batch_size=config["batch_size"],
        calibration=config["calibration"],
    shell:
        r"""
        export OMP_WAIT_POLICY=PASSIVE # idle threads sleep: spinning ones take the cores from decode
        exec python {params.script:q} \
            --bundle {input.bundle:q} \
            --frames {input.frames:q} \
            --weights={params.weights:q} \
            --staging {params.staging:q} \
            --journal {params.journal:q} \
            --progress {params.progress:q} \
            --device {params.device} \
            --batch-size {params.batch_size} \
            --threads {threads} \
            --calibration={params.calibration:q} \
            2>{log:q}
        """
