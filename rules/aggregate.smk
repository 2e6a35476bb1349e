"""Write the tables of the run.

Takes: every feature that was due. Gives: metadata.csv, a row per video, and feature_config.txt, an object per run.
After a failure no rule runs any more, so the same script is then called from `onerror` (rules/workflow.smk).
`snakemake --cores 1 orphaned` deletes the features of videos that are gone or replaced by skipped ones, after naming
them.
"""


rule aggregate:
    input:
        plan=plan_file,
        features=due_features,
    output:
        metadata=update("<features>/metadata.csv"),
        summary=update("<features>/feature_config.txt"),
    log:
        "<logs>/aggregate.log",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/aggregate.py",
        options=" ".join(AGGREGATE_OPTIONS),
    shell:
        r"""
        python {params.script:q} --plan {input.plan:q} {params.options} >{log:q} 2>&1
        """


rule orphaned:
    input:
        plan=plan_file,
    log:
        "<logs>/orphaned.log",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/orphaned.py",
        options={"few": "", "other_settings": "--other-settings", "all": "--all"}[SETTINGS.orphaned],
    shell:
        r"""
        python {params.script:q} --plan {input.plan:q} {params.options} 2> >(tee {log:q} >&2)
        """
