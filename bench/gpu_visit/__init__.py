"""One short visit to an NVIDIA machine without a network, from which all figures about the GPU path come back.

    make gpu-visit                                   # where there is a network: wheels and clips go to .gpu
    bash bench/gpu_visit/visit.sh                    # in a copy of the folder on the GPU machine; results in $OUT
    DEVICE=cpu REDUCED=1 bash bench/gpu_visit/visit.sh      # the same small, without a GPU, to try the kit itself

The machine needs Python 3.12 with torch, NumPy, Pillow and pytest, and nothing else. STAGES and TOTAL, in seconds,
choose what is done; each stage has a limit and a log of its own. Lines that begin with = are results.
"""
