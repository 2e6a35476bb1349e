import pytest

from i3d.cost.time_limits import runtime


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
    assert runtime(frames, attempt, frames_per_second=250, longest=180) == limit


def test_longest_job_wins_over_the_hour():
    assert runtime(0, 1, frames_per_second=250, longest=1) == "1m"
