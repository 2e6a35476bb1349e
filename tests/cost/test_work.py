import pytest
import yaml
from msgspec.structs import replace

from i3d.cost import work as cost
from i3d.cost.work import Speeds, VideoWork, weigh
from i3d.settings import NumericSettings
from tests.support.paths import ROOT

SETTINGS = NumericSettings(precision="bf16")
EXAMPLE = Speeds(10.0, "invented", frame_seconds=0.001, pixel_seconds={"": 2e-9, "h264": 1e-9})


def test_decoding_costs_by_frames_pixels_and_codec():
    assert EXAMPLE.decode_seconds(1_000_000, 100, "h264") == pytest.approx(100 * 0.002)
    assert EXAMPLE.decode_seconds(1_000_000, 100, "vp9") == pytest.approx(100 * 0.003)
    assert EXAMPLE.decode_seconds(1_000_000, 100) == pytest.approx(100 * 0.003)
    assert EXAMPLE.decode_seconds(1_000_000, 0) == 0


def test_two_videos_of_equal_length_differ_by_their_size():
    speeds = cost.assumed("a100_4g.20gb", SETTINGS)
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


@pytest.mark.parametrize(("precision", "frames"), [("fp32", 304), ("tf32", 837), ("bf16", 1638)])
def test_assumed_speeds_are_the_roofline_of_half_an_a100(precision, frames):
    """The sum over all operations, computed apart from this module, in frames of source a second."""
    speeds = cost.assumed("a100_4g.20gb", replace(SETTINGS, precision=precision))
    assert speeds.source == "assumed"
    assert 16 * speeds.snippets_per_second == pytest.approx(frames, rel=0.05)


def test_a_slice_of_equal_bandwidth_is_little_slower():
    three, four = (cost.assumed(name, SETTINGS).snippets_per_second for name in ("a100_3g.20gb", "a100_4g.20gb"))
    assert 0.85 < three / four < 0.95


def test_one_crop_and_longer_clips():
    whole = cost.assumed("a100", SETTINGS).snippets_per_second
    assert cost.assumed("a100", replace(SETTINGS, clip_length=32)).snippets_per_second == pytest.approx(whole / 2)
    assert 8 < cost.assumed("a100", replace(SETTINGS, sample_mode="center_crop")).snippets_per_second / whole < 10


def test_narvals_profile_uses_the_cpus_that_cost_nothing_more():
    profile = yaml.safe_load((ROOT / "profiles/narval/config.yaml").read_text())
    cpus, threads = 2 * profile["default-resources"]["cpus_per_task"], profile["set-threads"]
    assert threads["decode"] + threads["extract"] == threads["measure_machine"] == cpus == profile["cores"]
    assert profile["set-resources"]["measure_machine"]["cpus_per_task"] == cpus
    rgu = cost.SLICES["a100_4g.20gb"].rgu
    assert cost.charged_rgu("a100_4g.20gb", cpus, 40) == rgu < cost.charged_rgu("a100_4g.20gb", cpus + 1, 40)


@pytest.mark.parametrize(
    ("cpus", "memory", "rgu"),
    [(4, 40, 2.3), (6, 40, 2.3), (7, 40, 7 / 3), (6, 93, 3.0)],  # up to six CPUs it is the slice that is charged
)
def test_a_job_is_charged_for_its_largest_share(cpus, memory, rgu):
    assert cost.charged_rgu("a100_4g.20gb", cpus, memory) == pytest.approx(rgu)


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
