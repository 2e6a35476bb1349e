"""What the landing page says of a tree."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from i3d.records.record import SETTINGS_COLUMNS
from i3d.report.landing import landing, title
from tests.support.rows import row

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTINGS = {
    "weights": "w.pth",
    "weights_sha256": "0123456789abcdef" * 4,
    "model": "i3d_r50",
    "normalization": "inception",
    "precision": "fp32",
    "sample_mode": "oversample",
    "frequency": 16,
    "clip_length": 16,
    "device": "cpu",
    "versions": "torch=2",
}


def done(number, **more):
    times = {"started": NOON, "finished": NOON + timedelta(seconds=10)}
    counts = {"frames": 750, "fps": 25.0, "snippets": 46, "crops": 10, "dim": 2048, "bundle": "b", "decoder": "decord"}
    return row(f"t/a/{number}.mp4", **SETTINGS | counts | times | more)


def page(rows, **more):
    return landing(rows, [], Path("features"), **more)


def loud(found):
    return [f"{warning.head} {warning.body}" for warning in found.warnings if warning.loud]


def test_the_numbers_are_those_of_the_table():
    short = row("t/a/s.mp4", "skipped", reason="too short: 3 frames, a snippet needs more than 16", frames=3)
    found = page([done(1), done(2, decoder="pyav"), short, row("t/b/f.mp4", "failed", reason="killed")])
    assert found.title == "2 of 4 videos have features"
    assert found.numbers == [
        ("2", "of 4 videos"),
        ("60 s", "of video"),
        ("92", "snippets"),
        ("150", "frames/s for 10 s"),
    ]
    assert loud(found) == []
    assert dict(found.subsets)["t/a"] == ["3", "2", "1", "0", "60 s", "92"]
    assert dict(found.subsets)["t/b"] == ["1", "0", "0", "1", "0 s", "0"]
    lines = {stage.name: stage.lines for stage in found.stages}
    assert list(lines) == ["videos", "decode", "extract", "feature", "aggregate"]
    assert lines["videos"] == ["4 videos", "1 too short"]
    assert lines["decode"] == ["1,500 frames", "decord: 1 video", "pyav: 1 video"]
    assert lines["extract"] == ["1 bundle", "92 snippets", "10 s, 150 frames/s", "cpu"]
    assert lines["feature"] == ["2 .npy files", "(snippets, 10, 2048)"]


def test_mixed_numeric_settings_are_loud_and_name_both_with_counts():
    rows = [done(1), done(2), done(3), done(4, normalization="kinetics"), done(5, precision="bf16")]
    heads = loud(page(rows))
    assert len(heads) == 2
    assert "normalization" in heads[0] and "inception: 4 videos; kinetics: 1 video" in heads[0]
    assert "precision" in heads[1] and "fp32: 4 videos; bf16: 1 video" in heads[1]
    mixed = [setting for setting in page(rows).settings if setting.mixed]
    assert [setting.values for setting in mixed] == [
        [("inception", "4 videos"), ("kinetics", "1 video")],
        [("fp32", "4 videos"), ("bf16", "1 video")],
    ]


@pytest.mark.parametrize("key", SETTINGS_COLUMNS)
def test_any_setting_that_decides_numbers_is_loud_when_mixed(key):
    other = 8 if key in ("frequency", "clip_length", "resample_fps") else "other"
    assert len(loud(page([done(1), done(2, **{key: other})]))) == 1


def test_devices_and_versions_may_differ_quietly():
    found = page([done(1), done(2, device="GPU", versions="torch=3")])
    assert loud(found) == [] and len(found.warnings) == 2


def test_random_weights_are_loud():
    weights = {"weights": "random", "weights_sha256": "random"}
    assert loud(page([done(1, **weights), done(2, **weights)]))[0].startswith("The weights are random. These features")
    assert "The features of 1 video mean nothing" in loud(page([done(1, **weights), done(2)]))[0]


def test_failed_damaged_and_orphaned_are_told():
    rows = [done(1, damaged="2 packets could not be decoded"), row("t/a/f.mp4", "failed")]
    heads = [warning.head for warning in page(rows, orphaned=3).warnings]
    assert heads == ["1 video failed.", "1 damaged video:", "3 orphaned features:"]


def test_titles():
    assert title([done(1)]) == "1 video has features"
    assert title([done(1), done(2)]) == "All 2 videos have features"
    assert title([done(1), row("t/a/f.mp4", "failed")]) == "1 of 2 videos has features"


def test_an_empty_table_of_settings_and_times_is_no_obstacle():
    found = page([row("t/a/x.mp4", snippets=2)])
    assert "every coded frame once" in str(found.settings) and found.numbers[-1] == ("2", "snippets")


def test_many_subsets_are_cut():
    found = page([row(f"t/{n}/x.mp4") for n in range(50)])
    assert len(found.subsets) == 41 and found.subsets[-1][0].startswith("and 10 more")


def test_the_latest_runs_come_first_whatever_they_hold():
    dates = [f"2026-11-{day:02d}" for day in range(1, 9)]
    runs = [{"run_date": date, "total_videos": 1008, "not_done_videos": 3} for date in dates] + [{"run_date": None}]
    found = landing([done(1)], runs, Path("features"))
    assert len(found.runs) == 5 and found.runs[1] == ["2026-11-08", "1,008", "", "", "", "3"]
