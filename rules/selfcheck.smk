"""Prove the numbers and measure the speed where the work will run: `snakemake selfcheck`, with a profile as one job.

Takes: the machine, a few of the videos, the weights if they are there. Gives: an entry in the calibration file, which
plans use, and a report on the screen.
"""

SELFCHECK_SETTINGS = (
    "weights",
    "model",
    "normalization",
    "sample_mode",
    "frequency",
    "clip_length",
    "batch_size",
    "precision",
    "device",
    "decoder",
    "videos",
    "calibration",
)


def selfcheck_options() -> list[str]:
    """The settings as options of scripts/selfcheck.py."""
    options = [f"--{name.replace('_', '-')}={config[name]}" for name in SELFCHECK_SETTINGS]
    options += [f"--fps={config['fps']}"] if config["fps"] else []
    return [*options, "--extensions", *config["extensions"], "--subsets", *config["subsets"]]


def gres_of_job(wildcards, resources) -> str:
    """What the job asks for beside CPUs and memory, such as `gpu:a100_4g.20gb:1`; empty without a cluster."""
    return str(resources.get("gres", ""))


localrules:
    selfcheck,


rule selfcheck:
    input:
        "<logs>/selfcheck.report",
    log:
        "<logs>/selfcheck_report.log",
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
        "../envs/extract.yaml"
    message:
        "Checking this machine, which takes a few minutes; `tail -f {log}` shows how far it is"
    threads: 64  # as extract; a cluster's profile says how many
    resources:
        runtime="30m",
    params:
        script=f"{SCRIPTS}/selfcheck.py",
        settings=selfcheck_options(),
        gres=gres_of_job,
    shell:
        r"""
        export OMP_WAIT_POLICY=PASSIVE # as in extract
        exec python {params.script:q} {params.settings:q} \
            --gres={params.gres:q} \
            --cpus {threads} \
            --report {output:q} \
            >{log:q} 2>&1
        """
