"""Put one video's feature in its place.

Takes: the outcomes of the video's bundle, and what extract staged for the video. Gives: the feature file, or an error
with the recorded reason. Runs in the main process and starts no Python: there can be ten thousand of these.
"""


localrules:
    feature,


rule feature:
    input:
        outcomes_of_feature,
    output:
        "<features>/{feature}.npy",
    log:
        "<logs>/feature/{feature}.log",
    retries: 0  # the reason will be the same
    conda:
        "../envs/decode.yaml"
    params:
        staged=str(WORK.staging / "{feature}.npy"),
    shell:
        r"""
        if [ -e {params.staged:q} ]; then
            mv -f {params.staged:q} {output:q}
            rm -f {params.staged:q}.json
        elif [ -e {params.staged:q}.reason ]; then
            tee {log:q} <{params.staged:q}.reason >&2
            exit 1
        else
            echo {output:q}: its bundle left nothing for it, run snakemake again | tee {log:q} >&2
            exit 1
        fi
        """
