"""What the work will take, in words."""

import pytest

from i3d.cost.devices import offers
from i3d.cost.prices_in_words import price_text, seconds_here, time_text
from i3d.cost.speeds import KnownSpeeds
from i3d.cost.work import OTHER_CODECS, Speeds, VideoWork

SPEEDS = Speeds(2.0, "measured on AMD EPYC at 2026-11-24 14:32", 0.0, {OTHER_CODECS: 1e-6})
VIDEO = VideoWork(frames=1600, pixels=10_000, snippets=100)  # 16 s to decode on one core, 50 s to extract


def test_on_one_machine_decoding_and_extraction_take_turns():
    bundles = [[VIDEO, VIDEO], [VIDEO]]
    # 48 s of decoding on two cores, 150 s of extraction, two starts of 7 and 3 s.
    assert seconds_here(bundles, KnownSpeeds(SPEEDS, 7.0), cores=2) == pytest.approx(24 + 150 + 20)


def test_more_bundles_than_one_decode_side_by_side_on_many_cores():
    assert seconds_here([[VIDEO] * 4] * 2, KnownSpeeds(SPEEDS, 0.0), cores=8) == pytest.approx(8 * 16 / 8 + 400 + 6)


def test_one_video_is_not_decoded_faster_by_more_cores():
    assert seconds_here([[VIDEO]], KnownSpeeds(SPEEDS, 0.0), cores=4) == pytest.approx(16 + 50 + 3)


def test_the_time_says_where_it_is_known_from():
    assert (
        time_text([[VIDEO]], KnownSpeeds(SPEEDS, 7.0), 2)
        == "about 76 s on this machine (measured on AMD EPYC at 2026-11-24 14:32)"
    )
    assumed = KnownSpeeds(Speeds(2.0, "assumed"), why="no self-check has been run: `snakemake selfcheck` measures it")
    assert time_text([[VIDEO]], assumed, 2).endswith(
        "(assumed; no self-check has been run: `snakemake selfcheck` measures it)"
    )


RATES = {"a100_1g.5gb": 25.0, "a100_2g.10gb": 50.0, "a100_3g.20gb": 99.0, "a100_4g.20gb": 100.0, "a100": 400.0}
HOUR = [[VideoWork(frames=16 * 360_000, pixels=1, snippets=360_000)]]
CHOSEN = KnownSpeeds(Speeds(100.0, "measured on a100_4g.20gb at 2026-11-24 14:32", 0.0, {OTHER_CODECS: 1e-9}), 0.0)


def table(known=CHOSEN, chosen="a100_4g.20gb", rates=RATES, cluster="narval", cpus=4, bundles=HOUR, frame_seconds=0.0):
    """The text's first line, and its rows by their device."""
    others = {name: Speeds(rate, "measured", frame_seconds, {OTHER_CODECS: 1e-9}) for name, rate in rates.items()}
    charged = {name: offer.charged(cpus, 40.0) for name, offer in (offers(cluster) if cluster else {}).items()}
    text = price_text(bundles, chosen, known, others, charged=charged, decode_threads=3)
    head, *rows = text.splitlines()
    return head, {row.split()[0]: row for row in rows}


def marked(rows, mark):
    return [name for name, row in rows.items() if mark in row]


def test_each_device_has_its_hours_and_its_price():
    head, rows = table()
    assert head == "measured on a100_4g.20gb at 2026-11-24 14:32; others in proportion"
    assert list(rows) == list(RATES), "from small to large"
    assert rows["a100_4g.20gb"].split() == [
        "a100_4g.20gb",
        *["1.0", "GPU", "hours", "2.3", "RGU", "hours", "in", "the", "profile"],
    ]
    # Four CPUs beside the smallest slice are charged as 4/3 units, which its own 0.57 does not cover.
    assert "4.0 GPU hours       5.3 RGU hours" in rows["a100_1g.5gb"]


def test_the_cheapest_and_the_fastest_are_named():
    _, rows = table()
    assert marked(rows, "cheapest") == marked(rows, "fastest") == ["a100"]
    _, rows = table(rates=RATES | {"a100": 120.0}, cpus=1)
    assert marked(rows, "cheapest") == ["a100_3g.20gb"] and marked(rows, "fastest") == ["a100"]


def test_where_decoding_sets_the_pace_the_cheaper_of_equals_is_the_fastest():
    slow = KnownSpeeds(Speeds(100.0, "measured", 1.0, {OTHER_CODECS: 1e-9}), 0.0)
    _, rows = table(slow, frame_seconds=1.0)
    assert "cheapest, fastest" in rows["a100_1g.5gb"]


def test_without_a_clusters_charges_there_are_no_rgus_and_no_cheapest():
    _, rows = table(cluster=None)
    assert not marked(rows, "RGU") and not marked(rows, "cheapest")
    assert marked(rows, "fastest") == ["a100"]


def test_a_measured_device_of_no_table_has_one_row_its_own():
    head, rows = table(
        chosen="gtx_1080", rates={}, known=KnownSpeeds(Speeds(50.0, "measured on gtx_1080", 0.0, {"": 0.0}))
    )
    assert head == "measured on gtx_1080"
    assert [row.split() for row in rows.values()] == [["gtx_1080", "2.0", "GPU", "hours", "in", "the", "profile"]]


def test_a_device_of_no_table_that_was_never_measured_has_no_hours():
    unknown = KnownSpeeds(
        CHOSEN.speeds, why="no self-check has been run: `snakemake selfcheck` measures it", guessed=True
    )
    head, rows = table(unknown, chosen="gtx_1080", rates={})
    assert head == (
        "an unknown time: gtx_1080 is in no table; no self-check has been run: `snakemake selfcheck` measures it"
    )
    assert not rows
    assert time_text(HOUR, unknown, 4).startswith("an unknown time on this machine: its GPU is in no table")


def test_little_work_is_not_compared():
    head, rows = table(bundles=[[VideoWork(frames=1600, pixels=1, snippets=1000)]])
    assert head == "about 10 s on a100_4g.20gb (measured on a100_4g.20gb at 2026-11-24 14:32)"
    assert not rows
