"""The best source of speeds that there is."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from i3d.cost import speeds
from i3d.cost.calibration import DecodeSpeed, save
from i3d.cost.devices import devices
from i3d.cost.work import OTHER_CODECS, assumed
from i3d.records.record import VideoRecord
from i3d.settings import NumericSettings

SETTINGS = NumericSettings(precision="bf16")
CPU = "AMD EPYC 9654"


def record(**fields):
    known = {"video": "a.mp4", "status": "ok", "snippets": 30, "seconds": 10.0, "device": "cpu"}
    settings = {name: getattr(SETTINGS, name) for name in speeds.SAME_WORK}
    return VideoRecord(**known | settings | fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calibration.json"


def known(path, device=CPU, records=(), settings=SETTINGS, cpus=2):
    on_gpu = device != CPU
    return speeds.known_speeds(device, settings, path, records, on_gpu=on_gpu, cpus=cpus, decode_threads=3)


def test_a_self_check_that_fits_comes_first(path, changed):
    save(path, changed(torch=version("torch")))
    found = known(path, "a100_4g.20gb", [record(device="NVIDIA A100-SXM4-40GB MIG 4g.20gb")])
    assert found.speeds.source == "measured on a100_4g.20gb at 2026-11-24 14:32"
    assert (found.speeds.snippets_per_second, found.start_seconds, found.why) == (100.0, 12.0, "")
    # As measured with three processes, of which the one at hand is for one core.
    assert found.speeds.decode_seconds(320 * 240, 1500, "h264") / 3 == pytest.approx(1.0)
    assert found.speeds.decode_seconds(1280 * 720, 300, "h264") / 3 == pytest.approx(1.0)


def test_where_planning_has_no_torch_any_version_of_it_fits(path, changed, monkeypatch):
    def no_version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(speeds, "version", no_version)
    save(path, changed(torch="1.13.0"))
    assert known(path, "a100_4g.20gb").speeds.source == "measured on a100_4g.20gb at 2026-11-24 14:32"
    assert known(path, "a100_3g.20gb").speeds.source == "computed, not measured"


def test_without_one_that_fits_earlier_runs_come_next_and_the_reason_is_kept(path, changed):
    save(path, changed(torch="1.13.0"))
    found = known(path, "a100_4g.20gb", [record(device="NVIDIA A100-SXM4-40GB MIG 4g.20gb"), record()])
    assert found.speeds.source == "from earlier runs on this tree, 1 video"
    assert found.speeds.snippets_per_second == pytest.approx(3.0)
    assert "torch 1.13.0" in found.why


def test_earlier_runs_count_if_they_did_the_same_work_and_enough_of_it(path):
    others = [
        record(status="failed"),
        record(precision="fp32"),
        record(clip_length=32),
        record(seconds=None),
        record(snippets=0),
        record(device="NVIDIA H100"),
    ]
    assert speeds.of_earlier_runs(others, CPU, SETTINGS, on_gpu=False) is None
    assert speeds.of_earlier_runs([record(snippets=19)], CPU, SETTINGS, on_gpu=False) is None
    found = speeds.of_earlier_runs([record(), record(snippets=10, seconds=30.0), *others], CPU, SETTINGS, on_gpu=False)
    assert found.snippets_per_second == pytest.approx(1.0)
    assert found.source == "from earlier runs on this tree, 2 videos"


@pytest.mark.parametrize(
    ("planned", "recorded", "same"),
    [
        ("a100_4g.20gb", "NVIDIA A100-SXM4-40GB MIG 4g.20gb", True),
        ("a100_4g.20gb", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", False),
        ("a100", "NVIDIA A100-SXM4-40GB", True),
        ("a100", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", False),
        ("h100_2g.20gb", "NVIDIA H100 80GB HBM3 MIG 2g.20gb", True),
        (CPU, "cpu", True),
        ("NVIDIA GeForce RTX 4070", "NVIDIA GeForce RTX 4070", True),
        ("NVIDIA GeForce RTX 4070", "cpu", False),
        ("a100_4g.20gb", "cpu", False),
    ],
)
def test_a_records_device_and_a_plans(planned, recorded, same):
    assert speeds.same_device(planned, recorded, on_gpu=planned != CPU) is same


def test_assumptions_are_the_last_resort_and_say_so(path):
    found = known(path, "a100_4g.20gb")
    assert found.speeds == assumed(devices()["a100_4g.20gb"], SETTINGS) and not found.guessed
    assert found.speeds.source == "computed, not measured" and "no self-check has been run" in found.why


def test_a_gpu_of_this_machine_is_known_by_its_drivers_name(path):
    assert known(path, "NVIDIA A100-SXM4-40GB").speeds == assumed(devices()["a100"], SETTINGS)


def test_a_gpu_of_no_table_is_guessed_as_a_gpu_and_not_as_its_cpus(path, changed):
    found = known(path, "gtx_1080")
    assert found.guessed and found.speeds.snippets_per_second > 100
    assert not known(path, "gtx_1080", [record(device="gtx_1080")]).guessed
    save(path, changed(device="gtx_1080", torch=version("torch")))
    assert known(path, "gtx_1080").speeds.snippets_per_second == 100 and not known(path, "gtx_1080").guessed


def test_a_cpu_is_assumed_by_its_cores(path):
    assert known(path, cpus=8).speeds.snippets_per_second == pytest.approx(4 * known(path).speeds.snippets_per_second)
    assert known(path).speeds.source == "assumed"


def test_decoding_is_fitted_by_size_and_codec():
    frame, pixel = speeds.fit_decoding(
        [
            DecodeSpeed(100, 100, "h264", 2, 2 / (0.0002 + 1e4 * 4e-9)),
            DecodeSpeed(1000, 1000, "h264", 2, 2 / (0.0002 + 1e6 * 4e-9)),
        ]
    )
    assert frame == pytest.approx(0.0002)
    assert pixel["h264"] == pytest.approx(4e-9) and pixel[OTHER_CODECS] == pytest.approx(4e-9)


def test_codecs_share_what_a_frame_costs_and_differ_in_their_pixels():
    frame, pixel = speeds.fit_decoding(
        [
            DecodeSpeed(100, 100, "h264", 1, 1 / (0.001 + 1e4 * 2e-9)),
            DecodeSpeed(1000, 1000, "h264", 1, 1 / (0.001 + 1e6 * 2e-9)),
            DecodeSpeed(1000, 1000, "hevc", 1, 1 / (0.001 + 1e6 * 6e-9)),
        ]
    )
    assert 0 <= frame < 1.1e-3
    assert pixel["h264"] < pixel[OTHER_CODECS] < pixel["hevc"]


def test_no_part_of_a_cost_is_negative():
    """A small video that was slower than a large one, as a busy machine can have it."""
    frame, pixel = speeds.fit_decoding(
        [DecodeSpeed(320, 240, "h264", 1, 100.0), DecodeSpeed(1280, 720, "h264", 1, 200.0)]
    )
    assert 0 <= frame <= 1 / 200 and all(each >= 0 for each in pixel.values())


def test_one_kind_of_video_is_met_exactly():
    frame, pixel = speeds.fit_decoding([DecodeSpeed(320, 240, "mpeg4", 1, 500.0)])
    assert frame + 320 * 240 * pixel["mpeg4"] == pytest.approx(1 / 500)


def test_other_devices_are_in_proportion_but_for_those_with_a_self_check(path, changed):
    torch = version("torch")
    save(path, changed(torch=torch))
    smaller = [s for s in changed().network if s.precision == "bf16"]
    save(
        path,
        changed(
            torch=torch, device="a100_3g.20gb", hardware="NVIDIA A100-SXM4-40GB MIG 3g.20gb", network=tuple(smaller[:1])
        ),
    )
    names = ("a100_3g.20gb", "a100")
    found = speeds.of_others("a100_4g.20gb", names, known(path, "a100_4g.20gb"), SETTINGS, path)
    assert tuple(found) == names
    assert found["a100_3g.20gb"].snippets_per_second == 90.0
    four, whole = (assumed(devices()[name], SETTINGS).snippets_per_second for name in ("a100_4g.20gb", "a100"))
    assert found["a100"].snippets_per_second == pytest.approx(100.0 * whole / four)
    assert set(speeds.of_others("gtx_1080", names, known(path, "gtx_1080"), SETTINGS, path)) == {"a100_3g.20gb"}
