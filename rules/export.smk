"""Write what trainers read. Four targets, for when the features are done:

    snakemake --cores 1 lists           one list per split, for RTFM, MGFN and Smart-Surveillance
    snakemake --cores 1 ground_truth    labels of the test split, in its list's order
    snakemake --cores 4 ur_dmu          one file per crop, and UR-DMU's lists
    snakemake --cores 4 vadclip         one file per crop, and VadCLIP's CSV files

Takes: metadata.csv as the last run left it (rules/finished.smk), and the features.
"""


pathvars:
    lists=in_rules(config["lists"]["folder"]),
    crops=in_rules(config["crops"]["folder"]),


rule lists:
    input:
        per_split("<lists>/{split}.list"),
    localrule: True


rule ground_truth:
    input:
        f"<lists>/{config['test_split']}.list",
        f"<lists>/{config['test_split']}_gt.npy",
    localrule: True


rule ur_dmu:
    input:
        per_split("<crops>/{split}"),
        per_split("<crops>/{split}.list"),
    localrule: True


rule vadclip:
    input:
        per_split("<crops>/{split}"),
        per_split("<crops>/{split}.csv"),
    localrule: True


rule list_of_split:
    output:
        paths="<lists>/{split}.list",
        counts="<lists>/{split}.json",
    log:
        "<logs>/lists/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORTED,
        script=f"{SCRIPTS}/export.py",
        digest=table_digest,
        root=config["lists"]["root"] or str(Path(config["features"]).absolute()),
    shell:
        r"""
        python {params.script:q} list \
            --metadata {params.metadata:q} \
            --split {wildcards.split:q} \
            --categories {params.categories:q} \
            --root {params.root:q} \
            --counts {output.counts:q} \
            --output {output.paths:q} \
            2>{log:q}
        """


rule ground_truth_of_split:
    input:
        annotations=annotations,
    output:
        "<lists>/{split}_gt.npy",
    log:
        "<logs>/ground_truth/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORTED,
        script=f"{SCRIPTS}/export.py",
        digest=table_digest,
        frequency=config["frequency"],
    shell:
        r"""
        python {params.script:q} ground-truth \
            --metadata {params.metadata:q} \
            --split {wildcards.split:q} \
            --categories {params.categories:q} \
            --annotations {input.annotations:q} \
            --frequency {params.frequency} \
            --output {output:q} \
            2> >(tee {log:q} >&2)
        """


rule crops_of_split:
    output:
        directory("<crops>/{split}"),
    log:
        "<logs>/crops/{split}.log",
    wildcard_constraints:
        split=r"[^/]+(?<!\.list)(?<!\.csv)",
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORTED,
        script=f"{SCRIPTS}/export.py",
        digest=table_digest,
        order=config["crops"]["order"],
    shell:
        r"""
        python {params.script:q} crops \
            --metadata {params.metadata:q} \
            --split {wildcards.split:q} \
            --categories {params.categories:q} \
            --order {params.order} \
            --output {output:q} \
            2>{log:q}
        """


rule ur_dmu_of_split:
    output:
        "<crops>/{split}.list",
    log:
        "<logs>/ur_dmu/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORTED,
        script=f"{SCRIPTS}/export.py",
        digest=table_digest,
        root=config["crops"]["root"] or str(Path(config["crops"]["folder"]).absolute()),
    shell:
        r"""
        python {params.script:q} ur-dmu \
            --metadata {params.metadata:q} \
            --split {wildcards.split:q} \
            --categories {params.categories:q} \
            --root {params.root:q}/{wildcards.split:q} \
            --output {output:q} \
            2>{log:q}
        """


rule vadclip_of_split:
    output:
        "<crops>/{split}.csv",
    log:
        "<logs>/vadclip/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORTED,
        script=f"{SCRIPTS}/export.py",
        digest=table_digest,
        root=config["crops"]["root"] or str(Path(config["crops"]["folder"]).absolute()),
        crop=one_crop,
    shell:
        r"""
        python {params.script:q} vadclip \
            --metadata {params.metadata:q} \
            --split {wildcards.split:q} \
            --categories {params.categories:q} \
            --root {params.root:q}/{wildcards.split:q} {params.crop} \
            --output {output:q} \
            2>{log:q}
        """
