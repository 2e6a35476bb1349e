"""Convert published Caffe2 weights (.pkl) to a PyTorch state dict (.pth): the same tensors under other names.

    python scripts/convert_weights.py i3d_baseline_32x2_IN_pretrain_400k.pkl i3d_r50_kinetics.pth

The same input gives the same bytes, hence the same SHA-256.
"""

import argparse
import os
from pathlib import Path

import torch

from i3d.backbones import backbone, i3d_r50
from i3d.digests import file_sha256
from i3d.errors import UserError, run_main
from i3d.network.weights import check_state_dict, read_state_dict


def convert_weights(source: Path, target: Path, model: str) -> None:
    """Write `source` to `target` as a state dict for `model`, classifier included; whole or not at all.

    Raises UserError when `source` is not weights for `model`, or when there is another file at `target`.
    """
    network = backbone(model)
    state = read_state_dict(source, network)
    classifier = {name: tensor for name, tensor in state.items() if name.startswith("fc.")}
    state = check_state_dict(state, network, source) | classifier
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:  # given a path, torch.save would write its name into the file
            torch.save(state, file)
        if target.exists() and file_sha256(target) != file_sha256(partial):
            raise UserError(f"{target}: there is another file of that name, which stays as it is; move it away first")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="Caffe2 .pkl (or a .pth, to be checked and rewritten)")
    parser.add_argument("target", type=Path, help=".pth to write")
    parser.add_argument("--model", choices=[each.name for each in i3d_r50.BACKBONES], default="i3d_r50")
    arguments = parser.parse_args()
    convert_weights(arguments.source, arguments.target, arguments.model)
    print(f"{arguments.target}: {arguments.model}, sha256 {file_sha256(arguments.target)}")


if __name__ == "__main__":
    run_main(main)
