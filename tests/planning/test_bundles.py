"""Packing videos into bundles."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.errors import UserError
from i3d.planning.bundles import bundle_frames, make_bundle, new_bundle, pack, read_bundle, write_bundle
from i3d.records.outcomes import Work


def entries(*frames: int) -> list[dict]:
    return [
        {"video": f"{place}.mp4", "feature": f"{place}.npy", "digest": "d", "frames": count}
        for place, count in enumerate(frames)
    ]


def test_groups_fill_up_in_order():
    groups = [[entry["frames"] for entry in group] for group in pack(entries(4, 6, 1, 9, 30, 2), 10)]
    assert groups == [[4, 6], [1, 9], [30], [2]]


@given(st.lists(st.integers(1, 10**6)), st.integers(1, 10**5))
def test_nothing_is_lost_doubled_or_overfull(frames, limit):
    groups = list(pack(entries(*frames), limit))
    assert [entry for group in groups for entry in group] == entries(*frames)
    assert all(len(group) == 1 or sum(entry["frames"] for entry in group) <= limit for group in groups)


def test_a_name_stands_for_the_list_and_the_settings():
    name = make_bundle({"model": "a"}, "f", entries(1, 2))["name"]
    assert name == make_bundle({"model": "a"}, "f", entries(1, 2))["name"]
    assert name != make_bundle({"model": "a"}, "g", entries(1, 2))["name"]
    assert name != make_bundle({"model": "a"}, "f", entries(1, 3))["name"]


def test_a_sound_file_is_left_alone_and_a_damaged_one_replaced(tmp_path):
    path = tmp_path / "bundles" / "x.json"
    bundle = make_bundle({}, "f", entries(5, 7))
    write_bundle(bundle, path)
    assert read_bundle(path) == bundle
    assert bundle_frames(path) == 12

    os.utime(path, (1, 1))
    write_bundle(bundle, path)
    assert path.stat().st_mtime == 1
    path.write_text(path.read_text()[:-9])
    write_bundle(bundle, path)
    assert read_bundle(path) == bundle


@pytest.mark.parametrize("leftover", ["outcomes/{}.jsonl", "frames/{}.frames"])
def test_what_an_earlier_attempt_left_is_never_taken_for_this_ones(tmp_path, leftover):
    work = Work(tmp_path)
    names = set()
    for _ in range(3):
        bundle = new_bundle({}, "f", entries(5, 7), work)
        assert bundle == new_bundle({}, "f", entries(5, 7), work), "every plan gives it the same name until then"
        names.add(bundle["name"])
        path = tmp_path / leftover.format(bundle["name"])
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert len(names) == 3


def test_a_damaged_bundle_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="x.json: no bundle file"):
        read_bundle(tmp_path / "x.json")
