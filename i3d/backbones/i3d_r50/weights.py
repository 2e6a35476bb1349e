"""The published weights of I3D-ResNet50, Caffe2 pickles of video-nonlocal-net (CC BY-NC 4.0), and hints.

PyTorch and safetensors files are conversions of them, with the names of the published PyTorch port.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from i3d import commands
from i3d.backbones.i3d_r50.caffe2_pickle import read_array_pickle
from i3d.errors import UserError

# Caffe2 blob names. `riv` means "running inverse variance", but SpatialBN keeps the plain variance there: in inference
# it computes (x - rm) / sqrt(riv + epsilon) * s + b, as PyTorch does with running_var.
PARAMETERS = {"w": "weight", "s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}
OUTER = {"conv1": "conv1", "res_conv1_bn": "bn1", "pred": "fc"}
BLOCK = re.compile(r"(?:res|nonlocal_conv)([2-5])_(\d+)_(\w+)")
INNER = {
    **{f"branch2{letter}": f"conv{place}" for place, letter in enumerate("abc", 1)},
    **{f"branch2{letter}_bn": f"bn{place}" for place, letter in enumerate("abc", 1)},
    **{"branch1": "downsample.0", "branch1_bn": "downsample.1"},
    **{name: f"nl.{name}" for name in ("theta", "phi", "g", "out", "bn")},
}
TRAINING_STATE = ("lr", "model_iter")  # and every blob with `momentum` in its name


def read_caffe2(data: bytes, path: Path) -> dict[str, Tensor]:
    """Read the tensors of a Caffe2 pickle, as float32. Raises UserError for anything else; `path` is for messages."""
    content = read_array_pickle(data, path)
    blobs = content.get("blobs", content) if isinstance(content, dict) else None
    if not isinstance(blobs, dict):
        raise UserError(f"weights: {path} holds no Caffe2 blobs: get the published file again")
    with np.errstate(over="ignore"):  # values that become infinite are refused later, by name
        return {
            _state_dict_name(blob): torch.from_numpy(np.asarray(values, np.float32, order="C"))
            for blob, values in blobs.items()
            if isinstance(values, np.ndarray) and blob not in TRAINING_STATE and "momentum" not in blob
        }


def _state_dict_name(blob: str) -> str:
    """Translate `res3_0_branch2a_bn_riv` to `layer2.0.bn1.running_var`; names of unknown form are kept."""
    module, _, parameter = blob.rpartition("_")
    block = BLOCK.fullmatch(module)
    if parameter not in PARAMETERS:
        return blob
    if module in OUTER:
        return f"{OUTER[module]}.{PARAMETERS[parameter]}"
    if block and block[3] in INNER:
        return f"layer{int(block[1]) - 1}.{block[2]}.{INNER[block[3]]}.{PARAMETERS[parameter]}"
    return blob


def hint(found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Guess from tensors that do not fit what the file is, and say what to do."""

    def plain(names: Collection[str]) -> set[str]:
        return {name for name in names if ".nl." not in name}

    if plain(found) == plain(expected) and len(found) > len(expected):
        return "these weights have non-local blocks, set `model: i3d_r50_nl`"
    if plain(found) == plain(expected) and len(found) < len(expected):
        return (
            "these weights have no non-local blocks, set `model: i3d_r50`, or fetch the non-local ones with "
            f"{commands.snakemake('weights')} and set `weights: resources/i3d_r50_nl_kinetics.pth`"
        )
    if any("Mixed_" in name or "Conv3d_1a" in name for name in found):
        return "these are I3D-Inception weights, but this workflow's network is I3D-ResNet50"
    if "conv1.weight" in found and found["conv1.weight"].ndim == 4:
        return "these are weights of an image ResNet, but this workflow's network is I3D-ResNet50"
    if any(name.startswith("layer3.6.") for name in found):
        return "these are weights of a ResNet-101, but this workflow's network is I3D-ResNet50"
    return f"use the published I3D-ResNet50 weights ({commands.snakemake('weights')})"
