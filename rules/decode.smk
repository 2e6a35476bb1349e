"""Decode a bundle of videos into one stream of frames.

Takes: the bundle file, and the videos it lists. Gives: the frame stream (i3d/frame_stream.py), a temporary file
or a pipe as `frames` in the configuration says, the same bytes either way.
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
    params:
        script=f"{SCRIPTS}/decode.py",
        staging=WORK.staging,
        journal=f"{WORK.journals}/{{bundle}}.jsonl",
        progress=f"{WORK.progress}/decode/{{bundle}}.json",
        decoder=config["decoder"],
        fps=f"--fps {config['fps']}" if config["fps"] else "",
        via_jpeg=f"--via-jpeg {config['via_jpeg']}".lower() if config["via_jpeg"] else "",
        stall_seconds=config["stall_seconds"],
        memory_mb=config["decode_memory_mb"],
    shell:
        r"""
        exec python {params.script:q} \
            --bundle {input.bundle:q} \
            --output {output.frames:q} \
            --staging {params.staging:q} \
            --journal {params.journal:q} \
            --progress {params.progress:q} \
            --decoder {params.decoder} {params.fps} {params.via_jpeg} \
            --stall-seconds {params.stall_seconds} \
            --memory-mb {params.memory_mb} \
            --threads {threads} \
            2>{log:q}
        """
