"""The two passes, compiled for this processor in memory, in a twentieth of a second: no compiler, no cache folder."""

import ctypes
import threading
from pathlib import Path
from typing import Any

import numpy as np

from i3d.decoding.lanczos.coefficients import coefficients
from i3d.specs import HEIGHT, WIDTH

TEXTS = Path(__file__).parent  # of LLVM's assembly
# What passes.ll goes by.
PIXELS_AT_ONCE, ROWS_AT_ONCE, ROWS_IN_A_PAIR = 4, 4, 2
NARROWED_STRIDE = 1024  # bytes from row to row between the passes
READ_BYTES = 16


class Lanczos:
    """`resize` by vector instructions.

    `features` names what LLVM may use of a processor, such as "+avx2"; None for all that this one has. Raises
    ImportError without llvmlite, RuntimeError if LLVM cannot compile for this processor.
    """

    def __init__(self, features: str | None = None) -> None:
        self._code = _compile(features)
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        self._horizontal = ctypes.CFUNCTYPE(
            None, pointer, number, number, number, pointer, number, pointer, pointer, number, pointer
        )(self._code.get_function_address("horizontal"))
        self._vertical = ctypes.CFUNCTYPE(None, pointer, number, number, pointer, pointer, number, pointer)(
            self._code.get_function_address("vertical")
        )
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
        self._vertical(
            frame.ctypes.data,
            frame.strides[0],
            height,
            weights.starts.ctypes.data,
            weights.limbs.ctypes.data,
            weights.groups,
            out.ctypes.data,
        )

    def _narrowed(self, frame: np.ndarray) -> np.ndarray:
        """The horizontal pass: uint8 (h, 340, 3), valid until this thread's next call."""
        height, width, _ = frame.shape
        weights = coefficients(width, WIDTH, PIXELS_AT_ONCE)
        row_bytes = 3 * (width + weights.groups * PIXELS_AT_ONCE) + READ_BYTES
        rows = height + -height % ROWS_AT_ONCE
        scratch = self._scratch(rows * NARROWED_STRIDE + ROWS_AT_ONCE * row_bytes)
        self._horizontal(
            frame.ctypes.data,
            frame.strides[0],
            width,
            height,
            scratch[rows * NARROWED_STRIDE :].ctypes.data,
            row_bytes,
            weights.starts.ctypes.data,
            weights.limbs.ctypes.data,
            weights.groups,
            scratch.ctypes.data,
        )
        narrowed = scratch[: height * NARROWED_STRIDE].reshape(height, NARROWED_STRIDE)
        return narrowed[:, : 3 * WIDTH].reshape(height, WIDTH, 3)  # a view

    def _scratch(self, size: int) -> np.ndarray:
        """`size` bytes or more that are this thread's own."""
        scratch = getattr(self._thread, "scratch", None)
        if scratch is None or scratch.size < size:
            scratch = self._thread.scratch = np.zeros(size, np.uint8)
        return scratch


def _compile(features: str | None) -> Any:
    """The passes as machine code, in an execution engine of llvmlite's."""
    import llvmlite.binding as llvm  # of what imports this module, only decoding needs it

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor = ""
    if features is None:
        processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    dot = "dot_avx2.ll" if "+avx2" in features.split(",") else "dot_anywhere.ll"
    module = llvm.parse_assembly("".join((TEXTS / name).read_text() for name in (dot, "passes.ll")))
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features, opt=3)
    # No more than inlining is left to do before instructions are chosen.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
