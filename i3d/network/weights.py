"""Weights for the network: reading, renaming, checking and, for a trial, making them up.

A state dict here maps names as in `model.expected_shapes` to tensors. The published weights are Caffe2 pickles of
video-nonlocal-net (CC BY-NC 4.0); PyTorch and safetensors files are conversions of them.
"""

import hashlib
import io
import math
import os
import pickle
import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from i3d import commands
from i3d.errors import UserError
from i3d.network.caffe2_pickle import read_array_pickle
from i3d.network.model import expected_shapes

LISTED = 3  # names in an error message
MAX_BYTES = 1 << 30  # of a file; weights in float64 with an optimizer's state are smaller
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types that values may have
# How torch.save begins a file: a zip archive, or before PyTorch 1.6 a pickled magic number.
ZIP_MAGIC = b"PK\x03\x04"
TORCH_MAGIC = (ZIP_MAGIC, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")

# Keys under which training programs keep the state dict, and what they put before its names: torch's parallel
# wrappers, MMAction and Lightning.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
HEADED = "backbone."
PREFIXES = ("module.", "model.", "net.", HEADED)
COMPILED = re.compile(r"(?:^|(?<=\.))_orig_mod\.")  # by torch.compile, anywhere in a name

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


def load_state_dict(
    path: Path, expected: Mapping[str, tuple[int, ...]], sha256: str | None = None
) -> dict[str, Tensor]:
    """Return the weights at `path` that features depend on, float32, named and shaped as in `expected`.

    The classifier `fc` and the `num_batches_tracked` counters are left out. Raises UserError when the file cannot be
    read, is not the one with this SHA-256 (hexadecimal), holds other tensors than expected, or values that are not
    finite.
    """
    data = _read(path)
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise UserError(
            f"weights: {path} has changed since this run was planned (SHA-256 {found[:12]}..., not {sha256[:12]}...); "
            "run snakemake again, it plans with the file as it is now"
        )
    return check_state_dict(_state_dict(data, path), expected, path)


def check_weights(path: Path, model: str) -> str:
    """Check everything that `load_state_dict` refuses, for the model of this name; return the content's SHA-256."""
    data = _read(path)
    check_state_dict(_state_dict(data, path), expected_shapes(model), path)
    return hashlib.sha256(data).hexdigest()


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
        raise UserError(f"weights: {path} does not fit the model ({listing}): {_hint(found, expected)}")
    return {name: _finite_float32(found[name], name, path) for name in expected}


def _finite_float32(tensor: Tensor, name: str, path: Path) -> Tensor:
    values = tensor.to(torch.float32).contiguous()
    if not bool(torch.isfinite(values).all()):
        beyond = bool(torch.isfinite(tensor).all())
        why = "values that float32 cannot hold" if beyond else "values that are not finite"
        raise UserError(f"weights: {path}: {name} has {why}; the file is damaged, get it again")
    return values


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return all named tensors of a `.pth`, a `.safetensors` or a Caffe2 `.pkl`; the content tells which it is.

    What a checkpoint wraps them in (`WRAPPERS`) and what a model puts before their names (`PREFIXES`) is taken off.
    Raises UserError for anything that is no such file.
    """
    return _state_dict(_read(path), path)


def _read(path: Path) -> bytes:
    """The whole file, so that what is hashed and what is loaded are the same bytes."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a FIFO would block
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"weights: {path} is no file; set 'weights' to one")
            if status.st_size > MAX_BYTES:
                size = f"{status.st_size / 1e9:.1f} GB"
                raise UserError(f"weights: {path} is of {size}, and weights of this network are of 0.1 to 0.5 GB")
            return file.read(MAX_BYTES)
    except OSError as error:
        raise UserError(
            f"weights: cannot read {path} ({error.strerror}); fetch the published weights with "
            f"{commands.snakemake('weights')}, or set 'weights' to your file"
        ) from None


def _state_dict(data: bytes, path: Path) -> dict[str, Tensor]:
    """The named tensors in a file's content."""
    if data.startswith(TORCH_MAGIC):
        content = _read_torch(data, path)
    elif data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data):
        content = _read_safetensors(data, path)
    else:
        content = _read_caffe2(data, path)
    state = _without_prefixes(content, path)
    for name, tensor in state.items():
        if _needed(name) and (fault := _fault(tensor)):
            raise UserError(f"weights: {path} is of no use: {name!r} {fault}")
    return state


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


def _fault(value: Any) -> str | None:
    """Why a value is no tensor of the network; None if it may be one."""
    if not isinstance(value, Tensor):
        return "is no tensor"
    if value.layout != torch.strided or value.is_nested:
        return "is a sparse or nested tensor; save it as a dense one"
    if value.is_quantized:
        return "is quantized; save it as float32"
    if value.is_meta:
        return "has a shape but no values (it was saved from the meta device)"
    if value.dtype not in FLOATS:
        names = ", ".join(_short(dtype) for dtype in FLOATS)
        return f"has values of type {_short(value.dtype)}; expected one of {names}"
    return None


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _without_prefixes(content: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    """The tensors under the network's own names.

    Where some names begin with `backbone.`, the others belong to a head, which features do not use.
    """
    names = {key: COMPILED.sub("", str(key)) for key in content}
    while prefix := next((known for known in PREFIXES if any(name.startswith(known) for name in names.values())), ""):
        if prefix == HEADED:
            names = {key: name for key, name in names.items() if name.startswith(prefix)}
        names = {key: name.removeprefix(prefix) for key, name in names.items()}
    state = {name: content[key] for key, name in names.items()}
    if len(state) < len(names):
        raise UserError(f"weights: {path} holds several models; save the network's state dict alone")
    return state


def _read_torch(data: bytes, path: Path) -> dict[Any, Any]:
    try:
        if data.startswith(ZIP_MAGIC):
            _check_zip(data, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensor types that are refused anyway
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]!r}, and weights need nothing but tensors" if asked else "it is damaged"
        raise UserError(f"weights: {path} is refused: {reason}; do not use it, get the published file again") from None
    except (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, MemoryError, OSError) as error:
        raise UserError(f"weights: {path} is no readable PyTorch file ({_reason(error)}): get it again") from None
    return _unwrapped(content, path)


def _check_zip(data: bytes, path: Path) -> None:
    """Raise UserError if unpacking the archive would take more memory than it has bytes: torch packs nothing."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"weights: {path} is no readable PyTorch file ({_reason(error)}): get it again") from None
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > len(data):
        raise UserError(f"weights: {path} is a compressed archive, which torch.save never writes: get it again")


def _read_safetensors(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, LookupError, RuntimeError) as error:
        raise UserError(f"weights: {path} is no readable safetensors file ({_reason(error)}): get it again") from None


def _unwrapped(content: Any, path: Path) -> dict[Any, Any]:
    """The innermost dictionary that holds tensors, wrapped in others as training programs do it."""
    while isinstance(content, dict):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is None:
            if any(isinstance(value, Tensor) for value in content.values()):
                return content
            break
        content = inner
    held = f"keys {_listing([str(key) for key in content])}" if isinstance(content, dict) and content else "no keys"
    raise UserError(f"weights: {path} holds no state dict ({held}): save one with torch.save(model.state_dict(), path)")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200] or type(error).__name__


def _read_caffe2(data: bytes, path: Path) -> dict[str, Tensor]:
    content = read_array_pickle(data, path)
    blobs = content.get("blobs", content) if isinstance(content, dict) else None
    if not isinstance(blobs, dict):
        raise UserError(f"weights: {path} holds no Caffe2 blobs: get the published file again")
    with np.errstate(over="ignore"):  # what becomes infinite is refused with its name
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
            f"{commands.snakemake('weights')} and set `weights: resources/i3d_r50_nl_kinetics.pth`."
        )
    if any("Mixed_" in name or "Conv3d_1a" in name for name in found):
        return "these are I3D-Inception weights, and this workflow's network is I3D-ResNet50."
    if "conv1.weight" in found and found["conv1.weight"].ndim == 4:
        return "these are weights of an image ResNet, and this workflow's network is I3D-ResNet50."
    if any(name.startswith("layer3.6.") for name in found):
        return "these are weights of a ResNet-101, and this workflow's network is I3D-ResNet50."
    return f"use the published I3D-ResNet50 weights ({commands.snakemake('weights')})."
