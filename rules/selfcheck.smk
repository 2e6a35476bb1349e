"""Prove the numbers and measure the speed where the work will run: `snakemake selfcheck`, with a profile as one job.

Takes: the machine, a few of the videos, the weights if they are there. Gives: an entry in the calibration file, which
plans use, and a report on the screen.
"""


rule selfcheck:
    input:
        "<logs>/selfcheck.report",
    log:
        "<logs>/selfcheck_report.log",
    localrule: True
    conda:
        "../envs/decode.yaml"
    shell:
        r"""
        cat {input:q} 2>{log:q}
        """


rule measure_machine:
    output:
        temp("<logs>/selfcheck.report"),
    log:
        "<logs>/selfcheck.log",
    retries: 0  # what is wrong stays wrong
    conda:
        "../envs/selfcheck.yaml"
    threads: 64  # as extract; a cluster's profile says how many
    resources:
        runtime="30m",
    params:
        script=f"{SCRIPTS}/selfcheck.py",
        settings=settings(),
        gres=gres_of_job,
    message:
        "Checking this machine, which takes a few minutes; `tail -f {log}` shows how far it is"
    shell:
        r"""
        export OMP_WAIT_POLICY=PASSIVE # as in extract
        exec python {params.script:q} \
            --settings {params.settings:q} \
            --gres={params.gres:q} \
            --cpus {threads} \
            --report {output:q} \
            >{log:q} 2>&1
        """
