"""What the work will take, in words."""

import pytest

from i3d.cost.prices import price_text, seconds_here, time_text
from i3d.cost.speeds import Known
from i3d.cost.work import OTHER_CODECS, SLICES, Speeds, VideoWork

SPEEDS = Speeds(2.0, "measured on AMD EPYC at 2026-11-24 14:32", 0.0, {OTHER_CODECS: 1e-6})
VIDEO = VideoWork(frames=1600, pixels=10_000, snippets=100)  # 16 s to decode on one core, 50 s to extract


def test_on_one_machine_decoding_and_extraction_take_turns():
    bundles = [[VIDEO, VIDEO], [VIDEO]]
    # 48 s of decoding on two cores, 150 s of extraction, two starts of 7 and 3 s.
    assert seconds_here(bundles, Known(SPEEDS, 7.0), cores=2) == pytest.approx(24 + 150 + 20)


def test_more_bundles_than_one_decode_side_by_side_on_many_cores():
    assert seconds_here([[VIDEO] * 4] * 2, Known(SPEEDS, 0.0), cores=8) == pytest.approx(8 * 16 / 8 + 400 + 6)


def test_one_video_is_not_decoded_faster_by_more_cores():
    assert seconds_here([[VIDEO]], Known(SPEEDS, 0.0), cores=4) == pytest.approx(16 + 50 + 3)


def test_the_time_says_where_it_is_known_from():
    assert (
        time_text([[VIDEO]], Known(SPEEDS, 7.0), 2)
        == "about 76 s on this machine (measured on AMD EPYC at 2026-11-24 14:32)"
    )
    assumed = Known(Speeds(2.0, "assumed"), why="no self-check has been run: `snakemake selfcheck` measures it")
    assert time_text([[VIDEO]], assumed, 2).endswith(
        "(assumed; no self-check has been run: `snakemake selfcheck` measures it)"
    )


@pytest.fixture
def slices():
    """Speeds that make an hour on the profile's slice, a quarter of that on a whole A100, and so on."""
    rates = {"a100_1g.5gb": 25.0, "a100_2g.10gb": 50.0, "a100_3g.20gb": 99.0, "a100_4g.20gb": 100.0, "a100": 400.0}
    return {name: Speeds(rates[name], "measured", 0.0, {OTHER_CODECS: 1e-9}) for name in SLICES}


HOUR = [[VideoWork(frames=16 * 360_000, pixels=1, snippets=360_000)]]


def lines(slices, **job):
    known = Known(Speeds(100.0, "measured on a100_4g.20gb at 2026-11-24 14:32"), 0.0)
    text = price_text(HOUR, "a100_4g.20gb", known, slices, decode_threads=3, **{"cpus": 4, "memory_gb": 40} | job)
    head, *rows = text.splitlines()
    return head, {row.split()[0]: row for row in rows}


def test_each_slice_has_its_hours_and_its_price(slices):
    head, rows = lines(slices)
    assert head == "measured on a100_4g.20gb at 2026-11-24 14:32; other slices in proportion"
    assert rows["a100_4g.20gb"].split() == [
        "a100_4g.20gb",
        *["1.0", "GPU", "hours", "2.3", "RGU", "hours", "in", "the", "profile"],
    ]
    # 40 GB beside the smallest slice are charged as 40/31 units, which its own 0.57 does not cover.
    assert "4.0 GPU hours       5.3 RGU hours" in rows["a100_1g.5gb"]


def test_the_cheapest_and_the_fastest_are_named(slices):
    _, rows = lines(slices)
    assert [name for name, row in rows.items() if "cheapest" in row] == ["a100"]
    assert [name for name, row in rows.items() if "fastest" in row] == ["a100"]
    _, rows = lines(slices, cpus=1, memory_gb=10)
    slices["a100"] = Speeds(120.0, "measured", 0.0, {OTHER_CODECS: 1e-9})
    _, rows = lines(slices)
    assert [name for name, row in rows.items() if "cheapest" in row] == ["a100_3g.20gb"]
    assert [name for name, row in rows.items() if "fastest" in row] == ["a100"]


def test_where_decoding_sets_the_pace_the_cheaper_of_equal_slices_is_the_fastest(slices):
    slow_decoding = {
        name: Speeds(each.snippets_per_second, "", 1.0, {OTHER_CODECS: 0.0}) for name, each in slices.items()
    }
    _, rows = lines(slow_decoding)
    assert "cheapest, fastest" in rows["a100_1g.5gb"]
