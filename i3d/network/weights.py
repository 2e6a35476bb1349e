"""Read weights files and check them against the network.

PyTorch and safetensors files are read here, other formats by the backbone published in them.
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
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from i3d import commands
from i3d.backbones.backbone import Backbone
from i3d.errors import UserError

LISTED = 3  # names in an error message
LEAST_LIMIT = 1 << 30  # bytes; I3D-ResNet50 in float64 with an optimizer's state is smaller
BYTES_PER_NUMBER = 16  # at most in a file: float64, and as much again for everything else
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# The first bytes that torch.save writes: of a zip archive, or before PyTorch 1.6 a pickled magic number.
ZIP_MAGIC = b"PK\x03\x04"
TORCH_MAGIC = (ZIP_MAGIC, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
TORCHSCRIPT = "/constants.pkl"  # in the archives of torch.jit.save alone

# Keys under which training programs keep the state dict, and prefixes of its names: from torch's parallel wrappers,
# MMAction and Lightning.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
HEADED = "backbone."
PREFIXES = ("module.", "model.", "net.", HEADED)
COMPILED = re.compile(r"(?:^|(?<=\.))_orig_mod\.")  # from torch.compile, anywhere in a name


def load_state_dict(path: Path, backbone: Backbone, sha256: str | None = None) -> dict[str, Tensor]:
    """Load the weights that features depend on: float32, named and shaped as the backbone expects.

    Raises UserError if the file cannot be read, does not have this SHA-256 (hexadecimal), holds other tensors than
    expected, or values that are not finite.
    """
    data = _read(path, backbone)
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise UserError(
            f"weights: {path} has changed since this run was planned (SHA-256 {found[:12]}..., not {sha256[:12]}...); "
            "run snakemake again, it plans with the file as it is now"
        )
    return check_state_dict(_state_dict(data, path, backbone), backbone, path)


def read_state_dict(path: Path, backbone: Backbone) -> dict[str, Tensor]:
    """Read all named tensors of a weights file, including those that features do not depend on.

    The format is recognised by content. Wrappers of checkpoints (`WRAPPERS`) and prefixes of names (`PREFIXES`) are
    removed. Raises UserError for any other file.
    """
    return _state_dict(_read(path, backbone), path, backbone)


def most_bytes(expected: Mapping[str, tuple[int, ...]]) -> int:
    """The size in bytes up to which a file with these tensors is read."""
    return max(LEAST_LIMIT, BYTES_PER_NUMBER * sum(map(math.prod, expected.values())))


def check_state_dict(state: Mapping[str, Tensor], backbone: Backbone, path: Path) -> dict[str, Tensor]:
    """Return the tensors that features depend on as float32; `path` is for messages.

    Raises UserError if tensors are missing, unexpected or misshapen, or hold values that are not finite.
    """
    expected = backbone.expected_shapes()
    found = {name: tensor for name, tensor in state.items() if not backbone.is_left_out(name)}
    missing, unexpected = expected.keys() - found, found.keys() - expected
    misshapen = [name for name in expected.keys() & found if tuple(found[name].shape) != expected[name]]
    if missing or unexpected or misshapen:
        kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
        listing = "; ".join(f"{kind}: {_listing(names)}" for kind, names in kinds.items() if names)
        raise UserError(f"weights: {path} does not fit the model ({listing}): {backbone.hint(found, expected)}")
    return {name: _finite_float32(found[name], name, path) for name in expected}


def _finite_float32(tensor: Tensor, name: str, path: Path) -> Tensor:
    values = tensor.to(torch.float32).contiguous()
    if not bool(torch.isfinite(values).all()):
        too_large = bool(torch.isfinite(tensor).all())
        fault = "values that float32 cannot hold" if too_large else "values that are not finite"
        raise UserError(f"weights: {path}: {name} has {fault}; the file is damaged, get it again")
    return values


def _read(path: Path, backbone: Backbone) -> bytes:
    """Read the whole file, so that the same bytes are hashed and loaded."""
    most = most_bytes(backbone.expected_shapes())
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a FIFO would block
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"weights: {path} is not a file; set 'weights' to one")
            if status.st_size > most:
                raise UserError(
                    f"weights: {path} has {status.st_size / 1e9:.1f} GB, but weights of this network have at most "
                    f"{most / 1e9:.1f}; set 'weights' to another file"
                )
            return file.read(most)
    except OSError as error:
        raise UserError(
            f"weights: cannot read {path} ({error.strerror}); fetch the published weights with "
            f"{commands.snakemake('weights')}, or set 'weights' to your file"
        ) from None


def _state_dict(data: bytes, path: Path, backbone: Backbone) -> dict[str, Tensor]:
    """Read the named tensors in a file's content."""
    if data.startswith(TORCH_MAGIC):
        content = _read_torch(data, path)
    elif data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data):
        content = _read_safetensors(data, path)
    else:
        content = backbone.read_other(data, path)
    state = _without_prefixes(content, path)
    for name, tensor in state.items():
        if not backbone.is_left_out(name) and (fault := _fault(tensor)):
            raise UserError(f"weights: {path} cannot be used: {name!r} {fault}")
    return backbone.renamed(state)


def _fault(value: Any) -> str | None:
    """Say why a value cannot be a tensor of the network; None if it can."""
    if not isinstance(value, Tensor):
        return "is not a tensor"
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
    """Strip prefixes from the names. If some names begin with `backbone.`, drop the others, which belong to a head."""
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
            warnings.simplefilter("ignore")  # about tensor types that are refused anyway
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]!r}, but weights need only tensors" if asked else "it is damaged"
        raise UserError(f"weights: {path} is refused: {reason}; do not use it, get the published file again") from None
    except (
        *(RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, MemoryError, OSError),
        zipfile.BadZipFile,
    ) as error:
        raise UserError(f"weights: {path} is not a readable PyTorch file ({_reason(error)}): get it again") from None
    return _unwrapped(content, path)


def _check_zip(data: bytes, path: Path) -> None:
    """Raise UserError for TorchScript, and for an archive that unpacks to more bytes than it has.

    torch.save does not compress.
    """
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    if any(entry.filename.endswith(TORCHSCRIPT) for entry in entries):
        raise UserError(
            f"weights: {path} is a TorchScript archive, a program with its weights; save those alone with "
            "torch.save(torch.jit.load(path).state_dict(), other_path), or fetch published ones with "
            f"{commands.snakemake('weights')}"
        )
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > len(data):
        raise UserError(f"weights: {path} is a compressed archive, which torch.save never writes: get it again")


def _read_safetensors(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, LookupError, RuntimeError) as error:
        raise UserError(
            f"weights: {path} is not a readable safetensors file ({_reason(error)}): get it again"
        ) from None


def _unwrapped(content: Any, path: Path) -> dict[Any, Any]:
    """Find the dictionary that holds tensors inside the wrappers of training programs."""
    while isinstance(content, dict):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is not None:
            content = inner
        elif any(isinstance(value, Tensor) for value in content.values()):
            return content
        else:
            break
    held = f"keys {_listing([str(key) for key in content])}" if isinstance(content, dict) and content else "no keys"
    raise UserError(f"weights: {path} holds no state dict ({held}): save one with torch.save(model.state_dict(), path)")


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__


def _listing(names: Collection[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(sorted(names)[:LISTED]) + more
