"""Measure how far each precision is from the original code's features; put the table into README.md.

    PYTHONPATH=scripts python -m tests.precision_table

The clip, the weights and the features are the reference's, ten crops. tf32 differs from fp32 on a GPU alone.
"""

from pathlib import Path

import numpy as np
import torch

from i3d.decoding.resize import resize
from i3d.network.engine import DTYPES, Engine, choose_device, device_name
from i3d.network.model import build_model, expected_shapes
from tests.support import reference_inputs

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- precision:begin -->", "<!-- precision:end -->"


def main() -> None:
    device = choose_device("auto")
    golden = np.load(ROOT / "tests/golden/synthetic_oversample.npy")
    state_dict = reference_inputs.state_dict(expected_shapes("i3d_r50"))
    frames = np.stack([resize(frame) for frame in reference_inputs.frames()[:32]])
    clip = torch.from_numpy(frames.reshape(2, 16, *frames.shape[1:]))
    lines = [f"| precision | relative error ({device_name(device)}, torch {torch.__version__}) |", "|---|---|"]
    for precision in DTYPES:
        if precision == "tf32" and device.type == "cpu":
            lines.append("| tf32 | needs a GPU, not measured here |")
            continue
        engine = Engine(
            build_model("i3d_r50", {name: torch.from_numpy(value) for name, value in state_dict.items()}),
            device,
            normalization="inception",
            sample_mode="oversample",
            precision=precision,
            batch_size=2,
        )
        error = np.linalg.norm(engine.launch(clip).collect() - golden) / np.linalg.norm(golden)
        lines.append(f"| {precision} | {error:.1e} |")
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    readme.write_text("\n".join([before + BEGIN, *lines, END + after]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
