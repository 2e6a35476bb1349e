"""What an A100 or a MIG slice of it should manage: computed, not measured.

A ten-crop snippet of 16 frames costs I3D-ResNet50 164 GMAC, 0.33 TFLOP. Peaks are NVIDIA's for the A100 (dense); a
MIG slice has its share of the 108 streaming multiprocessors. Real networks reach part of a peak: 40 % is assumed.
"""

from typing import Any

MULTIPROCESSORS = {  # of an A100 and of the slices that Narval offers
    "a100_1g.5gb": 14,
    "a100_2g.10gb": 28,
    "a100_3g.20gb": 42,
    "a100_4g.20gb": 56,
    "a100": 108,
}
PEAK_TFLOPS = {"fp32": 19.5, "tf32": 156.0, "bf16": 312.0, "fp16": 312.0}  # of all 108
EFFICIENCY = 0.4
CROP_SNIPPET_TFLOP = 0.033  # one crop of 16 frames


def snippets_per_second(slice_name: str, settings: dict[str, Any]) -> float:
    """Snippets that the slice should take in a second; `settings` are those of the plan."""
    crops = 10 if settings["sample_mode"] == "oversample" else 1
    work = CROP_SNIPPET_TFLOP * crops * settings["clip_length"] / 16
    share = MULTIPROCESSORS[slice_name] / MULTIPROCESSORS["a100"]
    return EFFICIENCY * PEAK_TFLOPS[settings["precision"]] * share / work
