"""Write the tables of the run.

Takes: every feature that was due. Gives: metadata.csv, a row per video, and feature_config.txt, an object per run.
After a failure no rule runs any more, so the same script is then called from `onerror`.
"""


localrules:
    aggregate,


rule aggregate:
    input:
        plan=plan_file,
        features=due_features,
    output:
        metadata=update("<features>/metadata.csv"),
        summary=update("<features>/feature_config.txt"),
    log:
        "<logs>/aggregate.log",
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/aggregate.py",
        videos=config["videos"],
        features=subpath(output.metadata, parent=True),
        keep_frames=" ".join(keep_frames()),
    shell:
        r"""
        python {params.script:q} \
            --plan {input.plan:q} \
            --videos {params.videos:q} \
            --features {params.features:q} {params.keep_frames} \
            2>{log:q}
        """


onerror:
    aggregate_after_failure()
