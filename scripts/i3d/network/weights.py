"""Weights for the network: reading, renaming, checking and, for a trial, making them up.

A state dict here maps names as in `model.expected_shapes` to tensors. The published weights are Caffe2 pickles of
video-nonlocal-net (CC BY-NC 4.0); PyTorch files are conversions of them.
"""

import math
import pickle
import re
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i3d.errors import UserError
from i3d.network.caffe2_pickle import read_array_pickle

LISTED = 3  # names in an error message
# How torch.save begins a file: a zip archive, or before PyTorch 1.6 a pickled magic number.
TORCH_MAGIC = (b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")

# Caffe2 blob names. `riv` reads "running inverse variance", yet SpatialBN keeps the plain variance there: at test
# time it computes (x - rm) / sqrt(riv + epsilon) * s + b, as PyTorch does with running_var.
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


def load_state_dict(path: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the weights at `path` that features depend on, float32, named and shaped as in `expected`.

    The classifier `fc` and the `num_batches_tracked` counters are left out. Raises UserError when the file cannot
    be read, holds other tensors than expected, or values that are not finite.
    """
    return check_state_dict(read_state_dict(path), expected, path)


def check_state_dict(
    state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], path: Path
) -> dict[str, Tensor]:
    """Do what `load_state_dict` does after reading; `path` is for messages only."""
    found = {name: tensor for name, tensor in state.items() if _needed(name)}
    expected = {name: shape for name, shape in expected.items() if _needed(name)}
    missing, unexpected = expected.keys() - found, found.keys() - expected
    misshapen = [name for name in expected.keys() & found if tuple(found[name].shape) != expected[name]]
    if missing or unexpected or misshapen:
        kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
        listing = "; ".join(f"{kind}: {_listing(names)}" for kind, names in kinds.items() if names)
        raise UserError(f"{path} does not fit the model ({listing}): {_hint(found, expected)}")
    for name, tensor in found.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} has values that are not finite; the file is damaged, get it again.")
    return {name: found[name].to(torch.float32).contiguous() for name in expected}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return all named tensors of a `.pth` or of a Caffe2 `.pkl`; the content tells which, not the suffix.

    A `state_dict` wrapper and `module.` prefixes are taken off. Raises UserError for anything that is no such file.
    """
    try:
        with path.open("rb") as file:
            is_torch = file.read(max(map(len, TORCH_MAGIC))).startswith(TORCH_MAGIC)
        state = _read_torch(path) if is_torch else _read_caffe2(path)
    except OSError as error:
        raise UserError(
            f"weights file {path} cannot be read ({error.strerror}): fetch the published one with "
            "`snakemake --cores 1 weights`, or set `weights` to yours."
        ) from None
    for name, tensor in state.items():
        if _needed(str(name)) and not _is_real(tensor):
            raise UserError(f"{path} is no state dict: {name!r} is no tensor of real numbers.")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def random_state_dict(expected: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Made-up float32 weights for a trial: the same on every machine, and features of ordinary size.

    Each tensor comes from a NumPy generator seeded by the CRC-32 of its name plus `seed`. Convolutions are scaled as
    in He et al. 2015 (arXiv:1502.01852); the last batch norm of a block is small, so that blocks do not add up.
    """
    state = {}
    for name, shape in expected.items():
        if not _needed(name):
            continue
        generator = np.random.default_rng(zlib.crc32(name.encode()) + seed)
        if name.endswith("running_var"):
            values = generator.uniform(0.5, 1.5, shape)
        elif len(shape) == 5:
            values = generator.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)
        elif name.endswith("weight"):
            values = generator.uniform(0.5, 1.5, shape) * (0.3 if "bn3" in name else 1)
        else:
            values = generator.normal(0, 0.1, shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def _needed(name: str) -> bool:
    return not (name.startswith("fc.") or name.endswith("num_batches_tracked"))


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.layout == torch.strided


def _read_torch(path: Path) -> dict[Any, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]!r}, and weights need nothing but tensors" if asked else "it is damaged"
        raise UserError(f"{path} is refused: {reason}; do not use it, get the published file again.") from None
    except (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path} is no readable PyTorch file ({reason}): get it again.") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(state, dict):
        raise UserError(f"{path} holds no state dict: save one with torch.save(model.state_dict(), path).")
    return state


def _read_caffe2(path: Path) -> dict[str, Tensor]:
    content = read_array_pickle(path)
    blobs = content.get("blobs", content) if isinstance(content, dict) else None
    if not isinstance(blobs, dict):
        raise UserError(f"{path} holds no Caffe2 blobs: get the published file again.")
    return {
        _state_dict_name(blob): torch.from_numpy(np.asarray(values, np.float32, order="C"))
        for blob, values in blobs.items()
        if isinstance(values, np.ndarray) and blob not in TRAINING_STATE and "momentum" not in blob
    }


def _state_dict_name(blob: str) -> str:
    """`res3_0_branch2a_bn_riv` is `layer2.0.bn1.running_var`; a name of no known form stays as it is."""
    module, _, parameter = blob.rpartition("_")
    block = BLOCK.fullmatch(module)
    if parameter not in PARAMETERS:
        return blob
    if module in OUTER:
        return f"{OUTER[module]}.{PARAMETERS[parameter]}"
    if block and block[3] in INNER:
        return f"layer{int(block[1]) - 1}.{block[2]}.{INNER[block[3]]}.{PARAMETERS[parameter]}"
    return blob


def _listing(names: Collection[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(sorted(names)[:LISTED]) + more


def _hint(found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> str:
    """What the tensors at hand suggest the file is."""

    def plain(names: Collection[str]) -> set[str]:
        return {name for name in names if ".nl." not in name}

    if plain(found) == plain(expected) and len(found) > len(expected):
        return "these weights have non-local blocks, set `model: i3d_r50_nl`."
    if plain(found) == plain(expected) and len(found) < len(expected):
        return (
            "these weights have no non-local blocks, set `model: i3d_r50`, or fetch the non-local ones with "
            "`snakemake --cores 1 weights` and set `weights: resources/i3d_r50_nl_kinetics.pth`."
        )
    if any("Mixed_" in name or "Conv3d_1a" in name for name in found):
        return "these are I3D-Inception weights, and this workflow's network is I3D-ResNet50."
    if "conv1.weight" in found and found["conv1.weight"].ndim == 4:
        return "these are weights of an image ResNet, and this workflow's network is I3D-ResNet50."
    if any(name.startswith("layer3.6.") for name in found):
        return "these are weights of a ResNet-101, and this workflow's network is I3D-ResNet50."
    return "use the published I3D-ResNet50 weights (`snakemake --cores 1 weights`)."
