"""Draw what `snakemake --report` collects, for when the features are done:

    snakemake --cores 4 report
    snakemake report --report report.html

Takes: the tables as the last run left them (rules/metadata.smk), the features, and a few frames of some videos.
The pages also stand without Snakemake's: open .i3d/report/index.html beside the features, or i3d_report/index.html
where these are another's.
"""


report: "report/workflow.rst"


rule figures:
    input:
        table_to_show,
    output:
        figure("index.html", "Overview", "Overview"),
        figure("problems.html", "Videos", "Skipped, failed, damaged"),
        figure("counts.svg", "Videos", "Counts per subset"),
        figure("lengths.svg", "Videos", "Durations and snippets"),
        figure("speed.svg", "Run", "Speed"),
        figure("magnitude.svg", "Features", "Magnitude per subset"),
        figure("outliers.html", "Features", "Magnitude outliers"),
        figure("similarity.svg", "Features", "Similarity between splits"),
        figure("neighbours.html", "Features", "Nearest neighbours between splits"),
        "<report>/home.html",
        "<report>/outliers.csv",
        "<report>/neighbours.csv",
    log:
        "<logs>/report/figures.log",
    conda:
        "../envs/report.yaml"
    threads: 4
    params:
        script=f"{SCRIPTS}/report.py",
        metadata=TABLE,
        digest=table_digest,
        split=SETTINGS.test_split,
        folder=folder_of_output,
    shell:
        r"""
        python {params.script:q} figures \
            --metadata {params.metadata:q} \
            --split {params.split:q} \
            --threads {threads} \
            --output {params.folder:q} \
            2>{log:q}
        """


rule events:
    input:
        table_to_show,
        annotations_if_any,
    output:
        report(
            directory("<report>/events"),
            patterns=["{page}.svg"],
            caption="report/events.rst",
            category="Features",
            labels={"figure": "Magnitude along time, page {page}"},
        ),
        figure("separation.svg", "Features", "Magnitude in and outside events"),
        "<report>/separation.csv",
        "<report>/magnitudes.csv",
    log:
        "<logs>/report/events.log",
    conda:
        "../envs/report.yaml"
    params:
        script=f"{SCRIPTS}/report.py",
        metadata=TABLE,
        digest=table_digest,
        settings=settings("videos", "dataset", "test_split", "lists", "ground_truth", "frequency"),
        folder=folder_of_output,
    shell:
        r"""
        python {params.script:q} events \
            --metadata {params.metadata:q} \
            --settings {params.settings:q} \
            --output {params.folder:q} \
            2> >(tee {log:q} >&2)
        """


rule contact_sheets:
    input:
        table_to_show,
    output:
        report(
            directory("<report>/contact_sheets"),
            patterns=["{subset}.png"],
            caption="report/contact_sheets.rst",
            category="Contact sheets",
            labels={"subset": "{subset}"},
        ),
    log:
        "<logs>/report/contact_sheets.log",
    conda:
        "../envs/report.yaml"
    params:
        script=f"{SCRIPTS}/report.py",
        metadata=TABLE,
        digest=table_digest,
        videos=SETTINGS.videos,
    shell:
        r"""
        python {params.script:q} contact-sheets \
            --metadata {params.metadata:q} \
            --videos {params.videos:q} \
            --output {output:q} \
            2>{log:q}
        """


rule report:
    input:
        rules.figures.output,
        rules.events.output,
        rules.contact_sheets.output,
    localrule: True
    message:
        "the report begins at {input[0]}"
