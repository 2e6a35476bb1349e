import pytest
from msgspec.structs import replace

from i3d.cost import work as cost
from i3d.cost.devices import devices
from i3d.cost.work import Speeds, VideoWork, weigh
from i3d.settings import NumericSettings

SETTINGS = NumericSettings(precision="bf16")
EXAMPLE = Speeds(10.0, "invented", frame_seconds=0.001, pixel_seconds={"": 2e-9, "h264": 1e-9})


def test_decoding_costs_by_frames_pixels_and_codec():
    assert EXAMPLE.decode_seconds(1_000_000, 100, "h264") == pytest.approx(100 * 0.002)
    assert EXAMPLE.decode_seconds(1_000_000, 100, "vp9") == pytest.approx(100 * 0.003)
    assert EXAMPLE.decode_seconds(1_000_000, 100) == pytest.approx(100 * 0.003)
    assert EXAMPLE.decode_seconds(1_000_000, 0) == 0


def test_two_videos_of_equal_length_differ_by_their_size():
    speeds = cost.assumed(devices()["a100_4g.20gb"], SETTINGS)
    small, large = (speeds.decode_seconds(pixels, 1000, "h264") for pixels in (320 * 240, 1920 * 1080))
    assert 5 < large / small < 20


def test_a_bundle_takes_as_long_as_its_slower_stage():
    video = VideoWork(frames=1600, pixels=1_000_000, snippets=100, codec="h264")  # 3.2 s to decode, 10 s to compute
    assert EXAMPLE.bundle_seconds([video], decode_threads=1) == pytest.approx(10)
    slow = Speeds(1000.0, "invented", EXAMPLE.frame_seconds, EXAMPLE.pixel_seconds)
    assert slow.bundle_seconds([video] * 10, decode_threads=5) == pytest.approx(10 * 3.2 / 5)
    assert slow.bundle_seconds([], decode_threads=5) == 0


def test_a_single_video_is_not_decoded_faster_by_more_threads():
    fast = Speeds(1000.0, "invented", EXAMPLE.frame_seconds, EXAMPLE.pixel_seconds)
    video = VideoWork(frames=1600, pixels=1_000_000, snippets=100, codec="h264")
    assert fast.bundle_seconds([video], decode_threads=5) == pytest.approx(3.2)


@pytest.mark.parametrize(
    ("name", "frames"),
    [("a100_4g.20gb", 3600), ("h100", 15_100)],
)
def test_assumed_speeds_are_those_of_a_roofline_over_every_operation(name, frames):
    """The sum over all operations in bf16, computed apart from this module, in frames of source a second."""
    speeds = cost.assumed(devices()[name], SETTINGS)
    assert speeds.source == "computed, not measured"
    assert 16 * speeds.snippets_per_second == pytest.approx(frames, rel=0.02)


def test_a_precision_of_four_bytes_moves_twice_as_much():
    half, tf32, fp32 = (
        cost.assumed(devices()["a100"], replace(SETTINGS, precision=precision)).snippets_per_second
        for precision in ("bf16", "tf32", "fp32")
    )
    assert half / tf32 == pytest.approx(2), "half the peak, twice the bytes"
    assert fp32 < tf32


def test_a_slice_of_equal_bandwidth_is_little_slower():
    three, four = (rate(name) for name in ("a100_3g.20gb", "a100_4g.20gb"))
    assert 0.85 < three / four < 0.95


def test_one_crop_and_longer_clips():
    whole = rate("a100")
    assert rate("a100", clip_length=32) == pytest.approx(whole / 2)
    assert 8 < rate("a100", sample_mode="center_crop") / whole < 10


def rate(name: str, **changed) -> float:
    return cost.assumed(devices()[name], replace(SETTINGS, **changed)).snippets_per_second


def test_a_video_weighs_what_it_takes_beside_plain_video():
    fast, slow = Speeds(100.0, "assumed"), Speeds(1.0, "assumed")
    plain = VideoWork(frames=1600, pixels=320 * 240, snippets=100, codec="h264")
    large = VideoWork(frames=1600, pixels=1920 * 1080, snippets=100, codec="h264")
    assert weigh(plain, fast, 5) == weigh(plain, slow, 5) == 1600
    assert weigh(large, slow, 5) == 1600, "where the network sets the pace, decoding costs nothing"
    ratio = fast.decode_seconds(large.pixels, 1600, "h264") / 5 / fast.network_seconds(100)
    assert ratio > 1.5
    assert weigh(large, fast, 5) == round(1600 * ratio)
    assert weigh(VideoWork(frames=1600, pixels=64 * 48, snippets=100), fast, 1) == 1600, (
        "nothing weighs less than it is"
    )
