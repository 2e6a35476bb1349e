"""Put one video's feature in its place.

Takes: the mark that the video's bundle is extracted, and the finished feature in the staging tree. Gives: the feature
file, or an error with the recorded reason. A video that turned out to be too short or unreadable is no error: an empty
file is the placeholder of its feature until aggregate removes it. A finished feature on the same mounted file system is
renamed by `mv`, without a start of Python: there can be ten thousand of these.
"""


rule feature:
    input:
        extraction_of_feature,
    output:
        update("<features>/{feature}"),
    log:
        "<logs>/feature/{feature}/why.txt",  # a name of its own: a feature's may be as long as a name can be
    retries: 0  # the reason will be the same
    localrule: True
    conda:
        "../envs/decode.yaml"
    params:
        script=f"{SCRIPTS}/place_feature.py",
        work=WORK.root,
        staging=WORK.staging,
    shell:
        r"""
        staged={params.staging:q}/{wildcards.feature:q} place={output:q}
        if [ "$(stat -Lc %m "$staged" 2>/dev/null)" = "$(stat -Lc %m "${{place%/*}}")" ]; then
            mv -fT "$staged" "$place"
        else
            python {params.script:q} --staged "$staged" --work {params.work:q} --extracted={input:q} \
                --feature={wildcards.feature:q} --output "$place" 2> >(tee {log:q} >&2)
        fi
        """
