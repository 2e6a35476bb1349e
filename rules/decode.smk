"""Decode a bundle of videos into one stream of frames.

Takes: the bundle file, which holds the settings, and the videos it lists. Gives: the frame stream
(i3d/frame_stream.py), a temporary file or a pipe as `frames` in the configuration says, the same bytes either way.
"""


rule decode:
    input:
        bundle="<work>/bundles/{bundle}.json",
    output:
        frames=frames_flag("<work>/frames/{bundle}.frames"),
    log:
        "<logs>/decode/{bundle}.log",
    conda:
        "../envs/decode.yaml"
    threads: decode_threads
    resources:
        runtime=time_limit,
        gpu=0,  # `gpu` and `gpu_model` of a profile are for extract
    params:
        script=f"{SCRIPTS}/decode.py",
    shell:
        r"""
        exec python {params.script:q} \
            --bundle {input.bundle:q} \
            --output {output.frames:q} \
            --threads {threads} \
            2>{log:q}
        """
