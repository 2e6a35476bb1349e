"""The one resize that every frame goes through: Pillow's LANCZOS to 340 x 256, computed several times as fast.

Pillow is the definition, because its pictures are what the original scripts fed the model with. On bytes it computes in
whole numbers, so vector instructions can give the same to the bit. The two passes are in lanczos.ll; LLVM (llvmlite)
compiles them for the processor at hand, in memory and in a twentieth of a second, so that neither a compiler nor a
cache folder is needed. Where there is no LLVM, or its code gives other bytes than the Pillow at hand, Pillow resizes.
"""

import ctypes
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i3d.frame_stream import FRAME_SHAPE, HEIGHT, WIDTH

PASSES = Path(__file__).with_name("lanczos.ll")
RADIUS = 3  # of the Lanczos window, in samples of the coarser side
COEFFICIENT_BITS = 22  # after the point, in Pillow for 8-bit samples
LOW_BITS = 11  # of a coefficient's lower part
# What lanczos.ll goes by.
PIXELS_AT_ONCE, ROWS_AT_ONCE, ROWS_IN_A_PAIR = 4, 4, 2
NARROWED_STRIDE = 1024  # bytes from row to row between the passes
READ_BYTES = 16

# The function that lanczos.ll calls for each sum: adds the sums of neighbouring products.
DOT_AVX2 = """
declare <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16>, <16 x i16>)

define internal <8 x i32> @dot(<8 x i32> %sums, <16 x i16> %a, <16 x i16> %b) alwaysinline {
  %pairs = call <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16> %a, <16 x i16> %b)
  %added = add <8 x i32> %sums, %pairs
  ret <8 x i32> %added
}
"""
DOT_ANYWHERE = """
define internal <8 x i32> @dot(<8 x i32> %sums, <16 x i16> %a, <16 x i16> %b) alwaysinline {
  %wide.a = sext <16 x i16> %a to <16 x i32>
  %wide.b = sext <16 x i16> %b to <16 x i32>
  %products = mul <16 x i32> %wide.a, %wide.b
  %even = shufflevector <16 x i32> %products, <16 x i32> poison, <8 x i32>
    <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %odd = shufflevector <16 x i32> %products, <16 x i32> poison, <8 x i32>
    <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %pairs = add <8 x i32> %even, %odd
  %added = add <8 x i32> %sums, %pairs
  ret <8 x i32> %added
}
"""


def resize(frame: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Scale an RGB frame, uint8 (h, w, 3) of any size and strides, to uint8 (256, 340, 3); its aspect is not kept.

    The result goes into `out`, C-contiguous, if given, and is returned. Lets go of the interpreter lock: threads scale.
    Raises ValueError for arrays of another kind.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(f"a frame must be uint8 (h, w, 3), not {frame.dtype} {frame.shape}")
    if out is None:
        out = np.empty(FRAME_SHAPE, np.uint8)
    elif out.dtype != np.uint8 or out.shape != FRAME_SHAPE or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"out must be a contiguous, writeable uint8 {FRAME_SHAPE}")
    resizer, _ = _chosen()
    resizer(frame, out)
    return out


def why_pillow() -> str | None:
    """Why Pillow resizes here, in words; None where the faster way does."""
    return _chosen()[1]


def pillow(frame: np.ndarray, out: np.ndarray) -> None:
    """`resize` by Pillow."""
    out[:] = Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


@cache
def _chosen() -> tuple[Callable[[np.ndarray, np.ndarray], None], str | None]:
    """The way to resize, and why it is not the faster one."""
    try:
        lanczos = Lanczos()
    except ImportError:
        return pillow, "llvmlite is not installed"
    except (RuntimeError, OSError) as error:  # OSError: no lanczos.ll
        return pillow, f"LLVM refuses: {str(error).strip().splitlines()[0]}"
    expected, got = np.empty((2, *FRAME_SHAPE), np.uint8)
    for shape in ((97, 401, 3), (301, 83, 3)):  # each pass once up and once down
        frame = (np.arange(math.prod(shape)) ** 2 % 251).astype(np.uint8).reshape(shape)
        pillow(frame, expected)
        lanczos(frame, got)
        if not np.array_equal(got, expected):
            return pillow, "the faster way gives other pictures than this Pillow"
    return lanczos, None


class Lanczos:
    """`resize` by vector instructions.

    `features` names what LLVM may use of a processor, such as "+avx2"; None for all that the one at hand has. Raises
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


@dataclass(frozen=True)
class Coefficients:
    """What each sample of a pass's result is made of.

    Sample i is the weighted sum of the samples from `starts[i]` on, int32 (result,). The weights are at `limbs[i]`,
    int16 (result, groups, 2, group), higher parts before lower ones, zero where a sample needs fewer than others.
    """

    starts: np.ndarray
    limbs: np.ndarray

    @property
    def groups(self) -> int:
        return self.limbs.shape[1]


@lru_cache(maxsize=64)
def coefficients(size: int, result: int, group: int) -> Coefficients:
    """The coefficients to bring an axis from `size` samples to `result`, in groups, as Pillow rounds them.

    `precompute_coeffs` and `normalize_coeffs_8bpc` in Pillow's Resample.c.
    """
    scale = size / result
    stretch = max(scale, 1.0)
    spans = []
    for place in range(result):
        centre = (place + 0.5) * scale
        start = max(int(centre - RADIUS * stretch + 0.5), 0)
        end = min(int(centre + RADIUS * stretch + 0.5), size)
        spans.append((start, [_lanczos((sample - centre + 0.5) / stretch) for sample in range(start, end)]))
    longest = max(len(weights) for _, weights in spans)
    fixed = np.zeros((result, longest + -longest % group), np.int32)
    for row, (_, weights) in zip(fixed, spans, strict=True):
        total = reduce(add, weights)  # not `sum`, which compensates for rounding
        row[: len(weights)] = [_fixed_point(weight / total) for weight in weights]
    high = (fixed + (1 << LOW_BITS - 1)) >> LOW_BITS
    limbs = np.stack([high, fixed - (high << LOW_BITS)], 1).astype(np.int16)  # (result, 2, groups * group)
    limbs = limbs.reshape(result, 2, -1, group).swapaxes(1, 2)
    return Coefficients(np.array([start for start, _ in spans], np.int32), np.ascontiguousarray(limbs))


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / RADIUS) if -RADIUS <= x < RADIUS else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


def _fixed_point(weight: float) -> int:
    return int(weight * (1 << COEFFICIENT_BITS) + (0.5 if weight >= 0 else -0.5))


def _compile(features: str | None) -> Any:
    """lanczos.ll as machine code, in an execution engine of llvmlite's."""
    import llvmlite.binding as llvm  # of what imports this module, only decoding needs it

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor = ""
    if features is None:
        processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    dot = DOT_AVX2 if "+avx2" in features.split(",") else DOT_ANYWHERE
    module = llvm.parse_assembly(dot + PASSES.read_text())
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features, opt=3)
    # No more than inlining is left to do before instructions are chosen.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
