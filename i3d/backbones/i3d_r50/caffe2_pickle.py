"""Read pickles of NumPy arrays and plain containers without calling anything that the pickle names.

Python's unpickler calls the functions named in a pickle. Here a name is only matched against the few that arrays need,
and the arrays are built from bytes in the file. This is the unpickler written in Python, with strings as the only dict
keys: the C version can be made to exhaust memory by large memo indices and to crash by deeply nested keys.
"""

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from i3d.errors import UserError

MAX_OPCODES = 1_000_000  # a hundred times as many as in a checkpoint of a thousand arrays

# Opcodes for more than names, arguments and plain values.
REFUSED = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER"}
REFUSED |= {"EMPTY_SET", "ADDITEMS", "FROZENSET"}  # hashing a set nested in itself never ends
# The names that NumPy 1 and 2 write under pickle protocols 0 to 5; `numpy._core` is read as `numpy.core`.
ADMITTED = {
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "collections.OrderedDict",
    "_codecs.encode",  # how Python 3 writes bytes under protocols 0 to 2
}


def read_array_pickle(data: bytes, path: Path) -> Any:
    """Unpickle dicts, lists, tuples, numbers, text (latin-1 if from Python 2), bytes and NumPy arrays.

    Raises UserError if the pickle asks for anything else or is damaged; `path` is for messages.
    """
    try:
        _check_opcodes(data)
        return _Unpickler(io.BytesIO(data), encoding="latin-1").load()
    except _NotAdmittedError as error:
        raise UserError(
            f"{path} is refused: {error}, but weights need only arrays; do not use it, get the published file again"
        ) from None
    except (
        *(pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError),
        *(MemoryError, OverflowError, RecursionError),
    ) as error:
        raise UserError(
            f"{path} is not a readable pickle of arrays ({str(error)[:200]}): it is damaged or not a weights file; get "
            "the published file again"
        ) from None


class _NotAdmittedError(Exception):
    """The pickle asks for more than arrays."""


class _Name:
    """An admitted name from the pickle; never looked up."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        return _construct(self.name, *arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it fills in something that is not an array")


class _Dtype:
    """A dtype; its byte order follows in the pickle."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, str(order), None, None, None, *_):
                self.order = order
            case _:
                raise ValueError(f"an array of type {self.code!r} with fields")

    def numpy(self) -> np.dtype:
        if not re.fullmatch(r"[biuf](1|2|4|8|16)", self.code) or self.order not in {"|", "=", "<", ">"}:
            raise ValueError(f"an array of type {self.order + self.code!r}")
        return np.dtype(self.order + self.code)


class _Array(np.ndarray):
    """An array; its content follows in the pickle."""

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, tuple(shape), _Dtype() as dtype, fortran, raw):
                kind, raw = dtype.numpy(), _bytes(raw)
                sound = all(type(size) is int and size >= 0 for size in shape)
                if not sound or math.prod(shape) * kind.itemsize != len(raw):
                    raise ValueError(f"an array of shape {shape} with {len(raw)} bytes")
                super().__setstate__((1, shape, kind, bool(fortran), raw))  # type: ignore[arg-type]
            case _:
                raise ValueError("an array is filled in with something else")


def _construct(name: str, *arguments: Any) -> Any:
    """Build what calling `name` with NumPy's arguments would return. Raises ValueError for other arguments."""
    match name, *arguments:
        case "numpy.core.multiarray._reconstruct", _Name(name="numpy.ndarray"), (0,), str() | bytes():
            return _Array(0)  # its content follows
        case "numpy.dtype", str(code), *_:
            return _Dtype(code)
        case "numpy.core.multiarray.scalar", _Dtype() as dtype, raw:
            return np.frombuffer(_bytes(raw), dtype.numpy(), 1)[0]
        case "numpy.core.numeric._frombuffer", raw, _Dtype() as dtype, tuple(shape), "C" | "F" as order:
            return np.frombuffer(_bytes(raw), dtype.numpy()).reshape(shape, order=order).copy()
        case "_codecs.encode", str(text), "latin1":
            return text.encode("latin-1")
        case ("collections.OrderedDict",):
            return {}
    raise ValueError(f"it uses {name} in a way that arrays do not need")


def _bytes(raw: Any) -> bytes:
    return raw.encode("latin-1") if isinstance(raw, str) else bytes(memoryview(raw))


_PythonsUnpickler: Any = pickle._Unpickler  # hardly covered by the type stubs


class _Unpickler(_PythonsUnpickler):
    """Python's unpickler, but it looks no names up and refuses dict keys other than strings."""

    dispatch = _PythonsUnpickler.dispatch.copy()

    def find_class(self, module: str, name: str) -> _Name:
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1)
        if full not in ADMITTED:
            raise _NotAdmittedError(f"it asks for {full[:100]!r}")
        return _Name(full)

    def load_dict(self) -> None:
        self._set_items({}, self.pop_mark())

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items(self.stack.pop(), [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set_items(self.stack.pop(), items)

    def _set_items(self, target: dict[str, Any], items: list[Any]) -> None:
        if not all(isinstance(key, str) for key in items[::2]):
            raise ValueError("a dict key is not text")
        dict.update(target, zip(items[::2], items[1::2], strict=True))
        self.stack.append(target)

    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


def _check_opcodes(data: bytes) -> None:
    """Walk the whole pickle before loading it. Raises ValueError if it is cut off or has too many steps."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count == MAX_OPCODES:
            raise ValueError(f"more than {MAX_OPCODES} steps")
        if opcode.name in REFUSED:
            raise _NotAdmittedError(f"it asks for {opcode.name} {argument or ''}".rstrip())
