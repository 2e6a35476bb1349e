"""How fast a tree was extracted."""

from datetime import UTC, datetime, timedelta

import pytest

from i3d.report import speed
from tests.support.rows import row

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def video(name, begin, end, frames=100, bundle="b1", **more):
    return row(name, frames=frames, started=at(begin), finished=at(end), bundle=bundle, device="GPU", **more)


def test_overlapping_videos_of_a_bundle_are_not_added_up():
    rows = [video("a/1.mp4", 0, 10), video("a/2.mp4", 1, 11), video("a/3.mp4", 2, 20, frames=200)]
    (found,) = speed.bundle_speeds(rows)
    assert found == speed.Speed(videos=3, frames=400, seconds=20, device="GPU") and found.rate == 20
    assert speed.total_speed(rows) == found


def test_bundles_side_by_side_share_the_time_and_pauses_between_them_do_not_count():
    rows = [
        video("a/1.mp4", 0, 10, bundle="one"),
        video("a/2.mp4", 5, 15, bundle="two"),
        video("a/3.mp4", 1000, 1005, bundle="three"),
    ]
    assert [each.seconds for each in speed.bundle_speeds(rows)] == [10, 10, 5]
    total = speed.total_speed(rows)
    assert (total.frames, total.seconds) == (300, 20)


def test_a_wait_within_a_bundle_counts_and_a_night_between_two_tries_does_not():
    waited = [video("a/1.mp4", 0, 10), video("a/2.mp4", 40, 50)]
    resumed = [video("a/1.mp4", 0, 10), video("a/2.mp4", 30_000, 30_010)]
    assert speed.total_speed(waited).seconds == 50
    assert speed.total_speed(resumed).seconds == 20


def test_without_a_beginning_the_seconds_before_the_end_are_taken():
    rows = [
        row("a/1.mp4", frames=50, finished=at(10), seconds=10.0),
        row("a/2.mp4", frames=50, finished=at(12), seconds=9.0),
    ]
    assert speed.total_speed(rows).rate == pytest.approx(100 / 12)


def test_what_is_not_known_is_left_out():
    assert speed.total_speed([]) is None and speed.bundle_speeds([]) == []
    rows = [
        row("a/1.mp4", frames=50, seconds=3.0),
        row("a/2.mp4", "skipped"),
        row("a/3.mp4", frames=9, finished=at(1)),
    ]
    assert speed.total_speed(rows) is None
    assert speed.total_speed([*rows, video("a/4.mp4", 0, 10)]).frames == 100
    assert speed.total_speed([video("a/4.mp4", 5, 5)]) is None  # no rate of no time


def test_devices_are_named():
    rows = [
        video("a/1.mp4", 0, 10),
        row("a/2.mp4", frames=10, started=at(0), finished=at(1), device="cpu", bundle="b2"),
    ]
    assert {each.device for each in speed.bundle_speeds(rows)} == {"GPU", "cpu"}
    assert speed.total_speed(rows).device == "GPU, cpu"
