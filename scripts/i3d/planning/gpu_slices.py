"""What an A100 or a MIG slice of it should manage: computed, not measured.

The work is the model's (specs.MODELS). Peaks are NVIDIA's for the A100 (dense); a MIG slice has its share of the 108
streaming multiprocessors. Real networks reach part of a peak: 40 % is assumed.
"""

from typing import Any

from i3d.network.specs import MODELS

MULTIPROCESSORS = {  # of an A100 and of the slices that Narval offers
    "a100_1g.5gb": 14,
    "a100_2g.10gb": 28,
    "a100_3g.20gb": 42,
    "a100_4g.20gb": 56,
    "a100": 108,
}
PEAK_TFLOPS = {"fp32": 19.5, "tf32": 156.0, "bf16": 312.0, "fp16": 312.0}  # of all 108
EFFICIENCY = 0.4


def snippets_per_second(slice_name: str, settings: dict[str, Any]) -> float:
    """Snippets that the slice should take in a second; `settings` are those of the plan."""
    work = MODELS[settings["model"]].snippet_tflop(settings["sample_mode"], settings["clip_length"])
    share = MULTIPROCESSORS[slice_name] / MULTIPROCESSORS["a100"]
    return EFFICIENCY * PEAK_TFLOPS[settings["precision"]] * share / work
