"""Decoding is measured by the run's own path."""

import numpy as np
import pytest
from PIL import Image

from i3d.frame_stream import FRAME_BYTES
from i3d.selfcheck import decode_speed
from i3d.selfcheck.samples import Sample
from i3d.settings import JobSettings, NumericSettings
from tests.support.clips import h264_clip, true_frames

SETTINGS = (NumericSettings(), JobSettings())


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(h264_clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=48), 160, 96, "h264")


@pytest.mark.parametrize(("cpus", "counts"), [(1, [1]), (2, [1, 2]), (4, [1, 3, 4]), (16, [1, 3, 5, 15])])
def test_as_many_processes_as_there_are_cpus_for(cpus, counts):
    assert decode_speed.process_counts(cpus) == counts


def test_a_short_clip_is_decoded_over_and_over_until_the_time_is_up(sample):
    speed = decode_speed.measure([sample], 2, 0.3, *SETTINGS)
    assert (speed.width, speed.height, speed.codec, speed.processes) == (160, 96, "h264", 2)
    assert speed.frames_per_second > 48  # the whole clip more than once


def test_videos_that_give_no_frames_have_no_speed(tmp_path, monkeypatch):
    monkeypatch.setattr(decode_speed, "MOST_VIDEOS", 3)
    path = tmp_path / "text.mp4"
    path.write_text("no video at all")
    assert decode_speed.measure([Sample(path, 160, 96, "h264")], 1, 5.0, *SETTINGS) is None


def test_the_counter_leaves_the_warm_up_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(decode_speed.time, "monotonic", lambda: now[0])
    counter = decode_speed._FrameCounter(seconds=2.0)
    block = memoryview(bytes(10 * FRAME_BYTES))
    for moment in (0.0, 0.3, 0.4):
        now[0] = moment
        counter.write(block)
    counter.write(memoryview(b"a header of 16 b"))
    assert counter.frames_per_second is None
    now[0] = 1.4
    counter.write(block)
    assert counter.frames_per_second == pytest.approx(10 / 1.0)
    now[0] = 2.4
    with pytest.raises(decode_speed.TimeIsUpError):
        counter.write(block)
    assert counter.frames_per_second == pytest.approx(20 / 2.0)


def test_first_frames_are_those_of_a_run(sample):
    frames = decode_speed.first_frames(sample, 20, *SETTINGS)
    expected = true_frames(sample.path, 160, 96)[:20]
    np.testing.assert_array_equal(frames, np.stack([pillow(frame) for frame in expected]))
    assert len(decode_speed.first_frames(sample, 100, *SETTINGS)) == 48


def pillow(frame):
    return np.asarray(Image.fromarray(frame).resize((340, 256), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (161, 97), (340, 256)])
def test_the_resize_is_pillows(size):
    assert decode_speed.check_resize(*size) == 0


def test_a_resize_that_is_off_by_one_is_noticed(monkeypatch):
    right = decode_speed.resize

    def wrong(frame):
        result = np.array(right(frame))
        result[100, 200, 1] ^= 1
        return result

    monkeypatch.setattr(decode_speed, "resize", wrong)
    assert decode_speed.check_resize(320, 240, frames=3) == 3
