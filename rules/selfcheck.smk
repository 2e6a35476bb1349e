"""Prove the numbers and measure the speed where the work will run: `snakemake selfcheck`, with the profile as one job.

Takes: the machine, a few of the videos, the weights if they are there. Gives: an entry in the calibration file, which
plans use, and a report on the screen.
"""


localrules:
    selfcheck,


rule selfcheck:
    input:
        "<logs>/selfcheck.report",
    shell:
        r"""
        cat {input:q}
        """


rule measure:
    output:
        temp("<logs>/selfcheck.report"),
    log:
        "<logs>/selfcheck.log",
    retries: 0  # what is wrong stays wrong
    conda:
        "../envs/extract.yaml"
    threads: 64  # as for extract; the cluster's profile says how many a job has
    resources:
        runtime="30m",
    params:
        script=f"{SCRIPTS}/selfcheck.py",
        settings=selfcheck_options,
        gres=gres_of_job,
    shell:
        r"""
        export OMP_WAIT_POLICY=PASSIVE # as in extract
        python {params.script:q} {params.settings:q} \
            --gres={params.gres:q} \
            --cpus {threads} \
            --report {output:q} \
            2>&1 | tee {log:q}
        """
