"""Bundles for jobs of a cluster, which must end within `longest_job`."""

import pytest

from i3d.cost.prices import Machine
from i3d.cost.time_limits import minutes_for, seconds_within
from i3d.planning.overview import status_text
from tests.support import plans
from tests.support.plans import make_plan

NARVAL = Machine("gpu:a100_4g.20gb:1", 6, 40.0, 5)
HALF_AN_HOUR = 45_000  # frames


@pytest.fixture
def cluster(config, tmp_path, monkeypatch):
    """Settings of a cluster's profile, for 40 videos of half an hour each beside those of `config`."""
    for number in range(40):
        monkeypatch.setitem(plans.FRAMES, f"v{number}", HALF_AN_HOUR)
        (tmp_path / f"videos/test/v{number}.mp4").write_bytes(f"v{number}".encode())
    return config | {"weights": "random", "device": "cuda", "frames": "pipe", "bundle_frames": 720_000}


def seconds(plan):
    return [plan.seconds_of(bundle.name) for bundle in plan.bundles]


def test_a_plan_knows_how_long_its_bundles_take(cluster):
    plan = make_plan(cluster, machine=NARVAL)
    assert [len(bundle.videos) for bundle in plan.bundles[:2]] == [19, 16]
    rate = plan.pricing.known.speeds.snippets_per_second
    assert seconds(plan)[1] == pytest.approx(16 * (HALF_AN_HOUR // 16) / rate)
    assert plan.seconds_of("0123456789abcdef") == 0


@pytest.mark.parametrize("changed", [{"model": "clip_vit_b16"}, {"frequency": 1}, {"longest_job": 40}])
def test_a_bundle_that_would_not_end_in_time_is_made_smaller(cluster, changed):
    plan = make_plan(cluster | changed, machine=NARVAL)
    assert max(seconds(make_plan(cluster | changed | {"longest_job": 10_080}, machine=NARVAL))) > max(seconds(plan))
    longest = changed.get("longest_job", 180)
    assert 0.5 < max(seconds(plan)) / seconds_within(longest) <= 1
    assert max(minutes_for(each) for each in seconds(plan)) <= longest
    assert "warning" not in status_text(plan, "")
    assert len(plan.pending) == 44


def test_a_usual_bundle_and_one_on_this_machine_stay_as_they_are(cluster):
    one, other = (make_plan(cluster | {"longest_job": minutes}, machine=NARVAL) for minutes in (180, 10_080))
    assert [bundle.name for bundle in one.bundles] == [bundle.name for bundle in other.bundles]
    slow = cluster | {"device": "cpu", "model": "clip_vit_b16", "longest_job": 20}
    assert len(make_plan(slow).bundles) == len(one.bundles)


def test_a_single_video_that_takes_too_long_is_a_warning(cluster, monkeypatch):
    monkeypatch.setitem(plans.FRAMES, "long", 5_000_000)
    plan = make_plan(cluster, machine=NARVAL)
    [minutes] = {minutes_for(each) for each in seconds(plan) if each > 180 * 60}
    said = status_text(plan, "")
    assert "\n  warning: 1 video will not be done within `longest_job`, 180 minutes (test/long.mp4 takes" in said
    assert f"set it to {minutes}, where the cluster" in said
    assert "warning" not in status_text(make_plan(cluster | {"longest_job": minutes}, machine=NARVAL), "")
