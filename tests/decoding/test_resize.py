import numpy as np
import pytest
from PIL import Image

from i3d.decoding.resize import resize


@pytest.mark.parametrize("shape", [(240, 320), (256, 340), (1, 1), (2, 700), (97, 161)])
def test_is_pillows_lanczos_to_256_by_340(shape):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    expected = Image.fromarray(frame).resize((340, 256), resample=Image.LANCZOS)
    assert np.array_equal(resize(frame), np.array(expected))


def test_takes_frames_that_are_not_contiguous():
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert np.array_equal(resize(frame[::-1, ::-1]), resize(np.ascontiguousarray(frame[::-1, ::-1])))
