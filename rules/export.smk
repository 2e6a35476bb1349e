"""Write what trainers read. Targets, for when the features are done:

    snakemake --cores 1 lists           one list per split, and the lines to paste for each trainer
    snakemake --cores 1 ground_truth    labels of the test split, and of `val` if one is made, in their lists' order
    snakemake --cores 4 ur_dmu          one file per crop, and their lists: UR-DMU, BN-WVAD, PEL4VAD
    snakemake --cores 4 deepmil         the same, and a list of one crop per test video
    snakemake --cores 4 vadclip         one file per crop, VadCLIP's CSV files, and its segments of the test split
    snakemake --cores 1 tevad_s3r       features under the names that TEVAD and S3R expect, and their lists

Takes: metadata.csv as the last run left it (rules/metadata.smk), and the features.
The script puts its files in place when all are written; `update` keeps Snakemake from deleting the earlier ones before.
Each export has a receipt in `.written`. When something else writes over the files, the receipt is deleted, and the
export made again.
"""


pathvars:
    lists=in_rules(SETTINGS.lists.folder),
    crops=in_rules(SETTINGS.crops.folder),
    flat=in_rules(FLAT),


rule lists:
    input:
        as_written(SETTINGS.lists.folder),
        per_split("<lists>/{split}.list"),
    output:
        exported=update("<lists>/trainers.txt"),
        receipt=update("<lists>/.written/trainers.txt"),
    log:
        "<logs>/lists/trainers.log",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="trainer-lines",
        split=SETTINGS.test_split,
        settings=settings("test_split", "lists", "ground_truth", "crops", "frequency"),
    shell:
        EXPORT_SPLIT


rule ground_truth:
    input:
        per_tested_split("<lists>/{split}.list"),
        per_tested_split("<lists>/{split}_gt.npy"),
    localrule: True


rule ur_dmu:
    input:
        per_split("<crops>/{split}.json"),
        per_split("<crops>/{split}.list"),
    localrule: True


rule deepmil:
    input:
        per_split("<crops>/{split}.json"),
        per_split("<crops>/{split}.list"),
        per_tested_split("<crops>/{split}_one_crop.list"),
    localrule: True


rule vadclip:
    input:
        per_split("<crops>/{split}.json"),
        per_split("<crops>/{split}.csv"),
        per_annotated_split("<crops>/{split}_gt_segment.npy"),
    localrule: True


rule tevad_s3r:
    input:
        per_split("<flat>/{split}.list"),
        per_annotated_split("<flat>/{split}_ground_truth.json"),
    localrule: True


rule list_of_split:
    input:
        as_written(SETTINGS.lists.folder),
    output:
        exported=update("<lists>/{split}.list"),
        counts=update("<lists>/{split}.json"),
        receipt=update("<lists>/.written/{split}.list"),
    log:
        "<logs>/lists/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="list",
        split="{split}",
        settings=settings("test_split", "lists"),
    shell:
        EXPORT_SPLIT


rule ground_truth_of_split:
    input:
        as_written(SETTINGS.lists.folder),
        annotations=annotations,
    output:
        exported=update("<lists>/{split}_gt.npy"),
        receipt=update("<lists>/.written/{split}_gt.npy"),
    log:
        "<logs>/ground_truth/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="ground-truth",
        split="{split}",
        settings=settings("test_split", "lists", "ground_truth", "frequency"),
    shell:
        EXPORT_SPLIT


rule crops_of_split:
    input:
        as_written(SETTINGS.crops.folder),
    output:
        exported=update("<crops>/{split}.json"),
        receipt=update("<crops>/.written/{split}.json"),
    log:
        "<logs>/crops/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="crops",
        split="{split}",
        settings=settings("test_split", "lists", "crops"),
    shell:
        EXPORT_SPLIT


rule crop_list_of_split:
    input:
        as_written(SETTINGS.crops.folder),
    output:
        exported=update("<crops>/{split}.list"),
        receipt=update("<crops>/.written/{split}.list"),
    log:
        "<logs>/crops/{split}_list.log",
    wildcard_constraints:
        split="[^/]+(?<!_one_crop)",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="crop-list",
        split="{split}",
        settings=settings("test_split", "lists", "crops"),
    shell:
        EXPORT_SPLIT


rule one_crop_list_of_split:
    input:
        as_written(SETTINGS.crops.folder),
    output:
        exported=update("<crops>/{split}_one_crop.list"),
        receipt=update("<crops>/.written/{split}_one_crop.list"),
    log:
        "<logs>/crops/{split}_one_crop.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="one-crop-list",
        split="{split}",
        settings=settings("test_split", "lists", "crops"),
    shell:
        EXPORT_SPLIT


rule vadclip_of_split:
    input:
        as_written(SETTINGS.crops.folder),
        annotations=event_names,
    output:
        exported=update("<crops>/{split}.csv"),
        receipt=update("<crops>/.written/{split}.csv"),
    log:
        "<logs>/vadclip/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="vadclip",
        split="{split}",
        settings=settings("test_split", "lists", "ground_truth", "crops"),
    shell:
        EXPORT_SPLIT


rule segments_of_split:
    input:
        as_written(SETTINGS.crops.folder),
        annotations=annotations,
    output:
        exported=update("<crops>/{split}_gt_segment.npy"),
        labels=update("<crops>/{split}_gt_label.npy"),
        receipt=update("<crops>/.written/{split}_gt_segment.npy"),
    log:
        "<logs>/vadclip/{split}_segments.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="vadclip-segments",
        split="{split}",
        settings=settings("test_split", "lists", "ground_truth", "crops", "frequency"),
    shell:
        EXPORT_SPLIT


rule flat_names_of_split:
    input:
        as_written(FLAT),
    output:
        exported=update("<flat>/{split}.list"),
        ids=update("<flat>/{split}.csv"),
        receipt=update("<flat>/.written/{split}.list"),
    log:
        "<logs>/tevad_s3r/{split}.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="flat-names",
        split="{split}",
        settings=settings("test_split", "lists"),
    shell:
        EXPORT_SPLIT


rule s3r_labels_of_split:
    input:
        as_written(FLAT),
        annotations=annotations,
    output:
        exported=update("<flat>/{split}_ground_truth.json"),
        receipt=update("<flat>/.written/{split}_ground_truth.json"),
    log:
        "<logs>/tevad_s3r/{split}_ground_truth.log",
    wildcard_constraints:
        split="[^/]+",
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        **EXPORT,
        command="s3r-labels",
        split="{split}",
        settings=settings("test_split", "lists", "ground_truth", "frequency"),
    shell:
        EXPORT_SPLIT
