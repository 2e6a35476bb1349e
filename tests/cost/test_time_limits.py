import pytest

from i3d.cost.time_limits import minutes_for, runtime, seconds_within


@pytest.mark.parametrize(
    ("frames", "attempt", "limit"),
    [
        (0, 1, "60m"),  # never below an hour
        (250 * 3600, 1, "100m"),  # an hour's work: a half more, and ten minutes to start
        (250 * 3600 + 1, 1, "101m"),  # rounded up
        (0, 2, "120m"),
        (250 * 3600, 2, "180m"),  # never above the longest job
        (10**9, 1, "180m"),
    ],
)
def test_runtime_follows_frames_and_attempt(frames, attempt, limit):
    assert runtime(frames, attempt, seconds=0, frames_per_second=250, longest=180) == limit


def test_longest_job_wins_over_the_hour():
    assert runtime(0, 1, seconds=0, frames_per_second=250, longest=1) == "1m"


def test_the_plans_estimate_counts_where_it_is_longer():
    assert runtime(250 * 3600, 1, seconds=2 * 3600, frames_per_second=250, longest=600) == "190m"
    assert runtime(250 * 3600, 1, seconds=1800, frames_per_second=250, longest=600) == "100m"


@pytest.mark.parametrize("minutes", [20, 60, 180, 10080])
def test_work_that_just_fits_into_a_limit_is_given_that_limit(minutes):
    assert minutes_for(seconds_within(minutes)) == minutes


def test_a_limit_shorter_than_a_start_leaves_time_for_work():
    assert seconds_within(9) == 3 * 60
