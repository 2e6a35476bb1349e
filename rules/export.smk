"""Write what trainers read. Targets:

    snakemake --cores 1 lists           one list per split
    snakemake --cores 1 ground_truth    labels of the test split, and of `val` if one is made, in their lists' order
    snakemake --cores 4 ur_dmu          one file per crop, and their lists: UR-DMU, BN-WVAD, PEL4VAD
    snakemake --cores 4 deepmil         the same, and a list of one crop per test video
    snakemake --cores 4 vadclip         one file per crop, VadCLIP's CSV files, and its segments of the test split
    snakemake --cores 1 tevad_s3r       features under the names that TEVAD and S3R expect, and their lists
    snakemake --cores 1 s3r             the same, and the normal training videos that S3R learns its dictionary from
    snakemake --cores 1 compare         these features beside another tree's, `--config compare=/path/published`

Each but `compare` also writes the commands for trainers, with this data set's numbers and paths.

Takes: metadata.csv and the features, which are made first if they are due. Which files a target has is a table in
i3d/exports/all_exports.py. The rules have no outputs, so they run whenever they are asked for: the program sees by
receipts in `.written` what is due, and Snakemake deletes none of it.
"""

for target in ("lists", "ground_truth", "ur_dmu", "deepmil", "vadclip", "tevad_s3r", "s3r"):

    rule:
        name:
            target
        input:
            tables_for(target),
        log:
            f"<logs>/exports/{target}.log",
        localrule: True
        conda:
            "../envs/decode.yaml"
        params:
            script=f"{SCRIPTS}/export.py",
            target=target,
            asked=asked_for,
            metadata=TABLE,
            settings=settings(),
        shell:
            r"""
            python {params.script:q} {params.target} \
                --asked {params.asked} \
                --metadata {params.metadata:q} \
                --settings {params.settings:q} \
                2> >(tee {log:q} >&2)
            """


rule compare:
    log:
        "<logs>/exports/compare.log",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/compare.py",
        ours=SETTINGS.features,
        theirs=other_features,
        table=f"{REPORT}/compare.csv",
    shell:
        r"""
        python {params.script:q} {params.ours:q} {params.theirs:q} \
            --output {params.table:q} 2> >(tee {log:q} >&2)
        """
