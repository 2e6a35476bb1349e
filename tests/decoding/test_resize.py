"""Pillow is the definition: whatever resizes, its pictures are Pillow's to the bit."""

import ctypes
import math
import mmap
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import PIL
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from i3d.decoding import resize as module
from i3d.decoding.lanczos import coefficients, compiled
from i3d.decoding.lanczos.compiled import Lanczos
from i3d.decoding.resize import other_pillow, resize, why_pillow

EDGES = (1, 2, 3, 17, 96, 255, 256, 257, 340, 341, 720)  # 121 pairs: up, down, odd, one pixel, the target's own
COMMON = [(240, 320), (480, 640), (1080, 1920), (1920, 1080), (5, 4000), (3000, 7)]
NARROW = {"avx2": "+avx2", "no AVX2": "+sse2"}  # of x86; elsewhere LLVM ignores what it does not know


@pytest.fixture
def fresh():
    """The way to resize is chosen anew, in the test and after it."""
    caches = (module._chosen, coefficients.coefficients)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def by_pillow(frame):
    return np.asarray(Image.fromarray(frame).resize((340, 256), resample=Image.Resampling.LANCZOS))


def pictures(height, width):
    """Noise, noise of black and white alone, whose sums overshoot most, and plain white."""
    random = np.random.default_rng(height * 10_000 + width)
    yield random.integers(0, 256, (height, width, 3), np.uint8)
    yield random.integers(0, 2, (height, width, 3), np.uint8) * np.uint8(255)
    yield np.full((height, width, 3), 255, np.uint8)


@pytest.mark.parametrize(("height", "width"), [*product(EDGES, EDGES), *COMMON])
def test_is_pillows_lanczos_to_256_by_340(height, width):
    for frame in pictures(height, width):
        assert np.array_equal(resize(frame), by_pillow(frame))


def test_the_faster_way_is_at_work_here():
    assert why_pillow() is None and other_pillow() is None


@given(st.integers(1, 400), st.integers(1, 500), st.integers(0, 2**32 - 1), st.integers(1, 255))
def test_any_size_any_picture(height, width, seed, levels):
    frame = np.random.default_rng(seed).integers(0, levels, (height, width, 3), np.uint8, endpoint=True)
    assert np.array_equal(resize(frame), by_pillow(frame))


@pytest.mark.parametrize("features", NARROW.values(), ids=NARROW)
@pytest.mark.parametrize(("height", "width"), [(240, 320), (97, 641), (701, 33), (256, 500), (300, 340), (1, 1)])
def test_lesser_processors_give_the_same(features, height, width):
    lanczos, out = Lanczos(features), np.empty((256, 340, 3), np.uint8)
    for frame in pictures(height, width):
        lanczos(frame, out)
        assert np.array_equal(out, by_pillow(frame))


VIEWS = {
    "turned": (slice(None, None, -1), slice(None, None, -1)),
    "upside down": (slice(None, None, -1),),
    "mirrored": (slice(None), slice(None, None, -1)),
    "padded": (slice(3, -2), slice(5, -9)),
    "every other": (slice(None, None, 2), slice(None, None, 3)),
    "planes in another order": (Ellipsis, slice(None, None, -1)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("shape", [(40, 60), (256, 700), (500, 340)])
def test_takes_frames_that_are_not_contiguous(view, shape):
    whole = next(pictures(*shape))
    before = whole.copy()
    assert np.array_equal(resize(whole[view]), by_pillow(np.ascontiguousarray(whole[view])))
    assert np.array_equal(
        resize(whole.swapaxes(0, 1)[view]), by_pillow(np.ascontiguousarray(whole.swapaxes(0, 1)[view]))
    )
    assert np.array_equal(whole, before)


@pytest.mark.parametrize("shape", [(240, 320), (700, 900), (256, 900), (700, 340), (256, 340)])
def test_fills_the_array_it_is_given_and_nothing_else(shape):
    frame = next(pictures(*shape))
    around = np.full((3, 256, 340, 3), 77, np.uint8)
    assert resize(frame, around[1]).base is around
    assert np.array_equal(around[1], by_pillow(frame))
    assert (around[[0, 2]] == 77).all()


def between_guards(shape):
    """Two arrays: one begins where memory that must not be touched ends, the other ends where such memory begins."""
    size = math.prod(shape)
    pages = -(-size // mmap.PAGESIZE)
    memory = np.frombuffer(mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE), np.uint8)
    inside = memory[mmap.PAGESIZE : (pages + 1) * mmap.PAGESIZE]
    for start in (memory.ctypes.data, inside.ctypes.data + inside.size):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), mmap.PAGESIZE, 0) == 0
    return inside[:size].reshape(shape), inside[-size:].reshape(shape)


@pytest.mark.parametrize("shape", [(1, 1), (50, 70), (700, 340), (256, 900), (255, 341)])
def test_touches_no_byte_outside_its_arrays(shape):
    """Or it would die here of a segmentation fault."""
    frame = next(pictures(*shape))
    for source, out in zip(between_guards(frame.shape), between_guards((256, 340, 3)), strict=True):
        source[:] = frame
        assert np.array_equal(resize(source, out), by_pillow(frame))
        assert np.array_equal(resize(source[::-1, ::-1], out), by_pillow(frame[::-1, ::-1].copy()))


@pytest.mark.parametrize(
    ("frame", "out"),
    [
        (np.zeros((4, 4, 3), np.float32), None),
        (np.zeros((4, 4), np.uint8), None),
        (np.zeros((4, 4, 4), np.uint8), None),
        (np.zeros((0, 4, 3), np.uint8), None),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((340, 256, 3), np.uint8)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((256, 340, 3), np.float32)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((256, 680, 3), np.uint8)[:, ::2]),
    ],
)
def test_other_arrays_are_refused(frame, out):
    with pytest.raises(ValueError, match="uint8"):
        resize(frame, out)


def test_threads_do_not_disturb_each_other():
    frames = [frame for size in ((700, 900), (30, 500), (400, 40)) for frame in pictures(*size)] * 20
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(resize, frames))
    assert all(np.array_equal(result, by_pillow(frame)) for result, frame in zip(results, frames, strict=True))


def test_without_llvmlite_pillow_resizes(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    frame = next(pictures(90, 130))
    assert np.array_equal(resize(frame[::-1]), by_pillow(frame[::-1].copy()))
    assert why_pillow() == "llvmlite is not installed"


def test_what_llvm_refuses_is_told(fresh, monkeypatch, tmp_path):
    for name in ("dot_avx2.ll", "dot_anywhere.ll", "passes.ll"):
        (tmp_path / name).write_text("define nonsense")
    monkeypatch.setattr(compiled, "TEXTS", tmp_path)
    frame = next(pictures(90, 130))
    assert np.array_equal(resize(frame), by_pillow(frame))
    assert why_pillow().startswith("LLVM refuses: ")


def test_another_pillow_is_followed(fresh, monkeypatch):
    """Pillow could change its arithmetic; its pictures stay the definition."""
    monkeypatch.setattr(coefficients, "RADIUS", 2)
    frame = next(pictures(90, 130))
    assert np.array_equal(resize(frame), by_pillow(frame))
    assert why_pillow() == "the faster way gives other pictures than this Pillow"
    assert other_pillow() == f"Pillow {PIL.__version__}"
