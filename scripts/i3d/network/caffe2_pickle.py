"""Reads pickles that hold nothing but NumPy arrays and plain containers, without running any of them.

The standard unpickler calls what a pickle names, and even one that admits no names can be made to exhaust memory or
to overflow the C stack with a few bytes. Here the opcodes (as `pickletools` lists them) are walked by hand: no opcode
calls anything, an array is built only from bytes that are in the file, and a dict has text keys alone.
"""

import math
import mmap
import pickletools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3d.errors import UserError

MAX_OPCODES = 1_000_000  # a hundred times what a checkpoint of a thousand arrays has

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# The opcodes that push their own argument: numbers, text and bytes.
LITERALS = {op.name for op in pickletools.opcodes if op.arg and not op.stack_before and len(op.stack_after) == 1}
LITERALS -= {"GET", "BINGET", "LONG_BINGET", "EXT1", "EXT2", "EXT4", "GLOBAL", "PERSID"}

# What NumPy writes, from version 1 to 2 and under pickle protocols 0 to 5; `numpy._core` reads as `numpy.core`.
ADMITTED = {
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "collections.OrderedDict",
    "_codecs.encode",  # how Python 3 writes bytes under protocols 0 to 2
}


@dataclass(frozen=True)
class _Name:
    """An admitted name that the pickle gave; never looked up."""

    name: str


@dataclass
class _Dtype:
    """A dtype, whose byte order comes after it."""

    code: str
    order: str = "|"

    def numpy(self) -> np.dtype:
        if not re.fullmatch(r"[biuf](1|2|4|8|16)", self.code) or self.order not in {"|", "=", "<", ">"}:
            raise ValueError(f"an array of type {self.order + self.code!r}")
        return np.dtype(self.order + self.code)


def read_array_pickle(path: Path) -> Any:
    """Return what the pickle at `path` holds: dicts, lists, tuples, numbers, text, bytes and NumPy arrays.

    Text of Python 2 comes as latin-1. Raises UserError when the file asks for anything else, or is damaged.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Machine(path).run(pickletools.genops(data))  # type: ignore[arg-type]  # an mmap reads like a file
    except (ValueError, TypeError, LookupError, AttributeError, MemoryError, OverflowError) as error:
        reason = str(error)[:200]
        raise UserError(f"{path} is no readable pickle of arrays ({reason}): damaged, or no weights file.") from None


class _Machine:
    """The pickle machine: a stack, the marks on it and a memo."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, opcodes: Iterator[tuple[Any, Any, int | None]]) -> Any:
        for count, (opcode, argument, _) in enumerate(opcodes):
            if count == MAX_OPCODES:
                raise ValueError(f"more than {MAX_OPCODES} steps")
            if opcode.name == "STOP":
                return self._stack.pop()
            self._step(opcode.name, argument)
        raise ValueError("it does not end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in LITERALS:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in TUPLES:
            stack.append(tuple(self._pop(TUPLES[name])))
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in {"TUPLE", "LIST"}:
            items = self._pop_to_mark()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "DICT":
            items = self._pop_to_mark()
            stack.append({})
            self._set_items(items)
        elif name in {"APPEND", "APPENDS"}:
            items = self._pop(1) if name == "APPEND" else self._pop_to_mark()
            list.extend(stack[-1], items)
        elif name in {"SETITEM", "SETITEMS"}:
            self._set_items(self._pop(2) if name == "SETITEM" else self._pop_to_mark())
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name.endswith("PUT"):
            self._memo[argument] = stack[-1]
        elif name.endswith("GET"):
            stack.append(self._memo[argument])
        elif name == "GLOBAL":
            stack.append(self._admit(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            stack.append(self._admit(".".join(self._pop(2))))
        elif name == "REDUCE":
            called, arguments = self._pop(2)
            stack.append(_construct(called.name, *arguments))
        elif name == "BUILD":
            (state,) = self._pop(1)
            _fill(stack[-1], state)
        elif name not in {"PROTO", "FRAME"}:
            raise ValueError(f"it asks for {name} {argument}, which arrays do not need")

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise ValueError("its stack runs empty")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _pop_to_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _set_items(self, items: list[Any]) -> None:
        keys = items[::2]
        if not all(isinstance(key, str) for key in keys):
            raise ValueError("a dict key is no text")
        dict.update(self._stack[-1], zip(keys, items[1::2], strict=True))

    def _admit(self, name: str) -> _Name:
        name = name.replace("numpy._core.", "numpy.core.", 1)
        if name not in ADMITTED:
            raise UserError(
                f"{self._path} is refused: it asks for {name[:100]!r}, and weights need nothing but arrays; "
                "do not use it, get the published file again."
            )
        return _Name(name)


def _construct(name: str, *arguments: Any) -> Any:
    """What calling `name` would give, for the arguments that NumPy writes; raises ValueError for others."""
    match name, *arguments:
        case "numpy.core.multiarray._reconstruct", _Name("numpy.ndarray"), (0,), str() | bytes():
            return np.empty(0)  # its state follows
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


def _fill(target: Any, state: Any) -> None:
    """Give an array or a dtype the state that NumPy writes after it; raises ValueError for any other."""
    match target, state:
        case _Dtype(), (_, str(order), None, None, None, *_):
            target.order = order
        case np.ndarray(), (_, tuple(shape), _Dtype() as dtype, fortran, raw):
            kind, raw = dtype.numpy(), _bytes(raw)
            sound = all(type(size) is int and size >= 0 for size in shape)
            if not sound or math.prod(shape) * kind.itemsize != len(raw):
                raise ValueError(f"an array of shape {shape} with {len(raw)} bytes")
            target.__setstate__((1, shape, kind, bool(fortran), raw))  # type: ignore[arg-type]
        case _:
            raise ValueError("it fills in something that is no array")


def _bytes(raw: Any) -> bytes:
    return raw.encode("latin-1") if isinstance(raw, str) else bytes(memoryview(raw))
