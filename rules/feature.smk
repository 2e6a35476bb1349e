"""Put one video's feature in its place.

Takes: the mark that the video's bundle is extracted, and the finished feature, wherever it waits. Gives: the feature
file, or an error with the recorded reason. A video that turned out to be too short or unreadable is no error: an empty
file stands in for its feature until aggregate removes it. Starts no Python for a finished feature: there can be ten
thousand of these.
"""


rule feature:
    input:
        extraction_of_feature,
    output:
        update("<features>/{feature}"),
    log:
        "<logs>/feature/{feature}",
    retries: 0  # the reason will be the same
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/missing_feature.py",
        source=source_of_feature,
        video=video_of_feature,
        journal=journal_of_feature,
    shell:
        r"""
        if [ -f {params.source:q} ]; then
            mv -fT {params.source:q} {output:q}
        else
            python {params.script:q} --journal {params.journal:q} --video={params.video:q} --feature {output:q} \
                2> >(tee {log:q} >&2)
        fi
        """
