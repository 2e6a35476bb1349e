"""The two passes, compiled in memory for this processor in 0.05 s, without a compiler or a cache folder."""

import ctypes
import threading
from pathlib import Path
from typing import Any

import numpy as np

from i3d.decoding.lanczos.coefficients import coefficients
from i3d.specs import HEIGHT, WIDTH

TEXTS = Path(__file__).parent  # folder of the LLVM assembly
# As in passes.ll.
PIXELS_AT_ONCE, ROWS_AT_ONCE, ROWS_IN_A_PAIR = 4, 4, 2
NARROWED_STRIDE = 1024  # bytes from row to row between the passes
READ_BYTES = 16


class Lanczos:
    """`resize` by vector instructions.

    `features` lists the processor features that LLVM may use, such as "+avx2"; None: all of this processor's. Raises
    ImportError without llvmlite, RuntimeError if LLVM cannot compile for this processor.
    """

    def __init__(self, features: str | None = None) -> None:
        self._code = _compile(features)
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        weights = (pointer, pointer, number)  # starts, limbs, groups
        horizontal = ctypes.CFUNCTYPE(None, pointer, number, number, number, pointer, number, *weights, pointer)
        vertical = ctypes.CFUNCTYPE(None, pointer, number, number, *weights, pointer)
        self._horizontal = horizontal(self._code.get_function_address("horizontal"))
        self._vertical = vertical(self._code.get_function_address("vertical"))
        self._thread = threading.local()

    def __call__(self, frame: np.ndarray, out: np.ndarray) -> None:
        height, width, _ = frame.shape
        if frame.strides[1:] != (3, 1):
            frame = np.ascontiguousarray(frame)
        if width != WIDTH:
            frame = self._narrowed(frame)
        if height == HEIGHT:
            out[:] = frame
            return
        weights = coefficients(height, HEIGHT, ROWS_IN_A_PAIR)
        self._vertical(frame.ctypes.data, frame.strides[0], height, *weights.arguments, out.ctypes.data)

    def _narrowed(self, frame: np.ndarray) -> np.ndarray:
        """Run the horizontal pass: uint8 (h, 340, 3), valid until this thread's next call."""
        height, width, _ = frame.shape
        weights = coefficients(width, WIDTH, PIXELS_AT_ONCE)
        row_bytes = 3 * (width + weights.groups * PIXELS_AT_ONCE) + READ_BYTES
        rows = height + -height % ROWS_AT_ONCE
        scratch = self._scratch(rows * NARROWED_STRIDE + ROWS_AT_ONCE * row_bytes)
        copied_rows = scratch[rows * NARROWED_STRIDE :].ctypes.data
        source = (frame.ctypes.data, frame.strides[0], width, height)
        self._horizontal(*source, copied_rows, row_bytes, *weights.arguments, scratch.ctypes.data)
        narrowed = scratch[: height * NARROWED_STRIDE].reshape(height, NARROWED_STRIDE)
        return narrowed[:, : 3 * WIDTH].reshape(height, WIDTH, 3)  # a view

    def _scratch(self, size: int) -> np.ndarray:
        """Return at least `size` bytes that belong to this thread."""
        scratch = getattr(self._thread, "scratch", None)
        if scratch is None or scratch.size < size:
            scratch = self._thread.scratch = np.zeros(size, np.uint8)
        return scratch


def _compile(features: str | None) -> Any:
    """Compile the passes into an execution engine of llvmlite."""
    import llvmlite.binding as llvm  # only decoding needs it

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor = ""
    if features is None:
        processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    dot = "dot_avx2.ll" if "+avx2" in features.split(",") else "dot_anywhere.ll"
    lines = [line for name in (dot, "passes.ll") for line in (TEXTS / name).read_text().splitlines()]
    repeated = [line.replace("{n}", str(n)) for line in lines for n in range(4 if "{n}" in line else 1)]
    module = llvm.parse_assembly("\n".join(repeated))
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features, opt=3)
    # Before instruction selection, nothing but inlining remains to be done.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
