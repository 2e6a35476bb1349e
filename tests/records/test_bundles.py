"""Packing videos into bundles."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.errors import UserError
from i3d.records.bundles import BundleEntry, make_bundle, new_bundle, pack, read_bundle, write_bundle
from i3d.records.work_folder import WorkFolder
from i3d.settings import JobSettings, NumericSettings

A = NumericSettings()


def entries(*frames: int) -> list[BundleEntry]:
    return [
        BundleEntry(video=f"{place}.mp4", path=f"/v/{place}.mp4", feature=f"{place}.npy", digest="d", frames=count)
        for place, count in enumerate(frames)
    ]


def test_groups_fill_up_in_order():
    groups = [[entry.frames for entry in group] for group in pack(entries(4, 6, 1, 9, 30, 2), 10)]
    assert groups == [[4, 6], [1, 9], [30], [2]]


@given(st.lists(st.integers(1, 10**6)), st.integers(1, 10**5))
def test_nothing_is_lost_doubled_or_overfull(frames, limit):
    groups = list(pack(entries(*frames), limit))
    assert [entry for group in groups for entry in group] == entries(*frames)
    assert all(len(group) == 1 or sum(entry.frames for entry in group) <= limit for group in groups)


def test_a_name_stands_for_the_list_and_the_settings():
    name = make_bundle(A, entries(1, 2)).name
    assert name == make_bundle(A, entries(1, 2)).name
    others = [
        make_bundle(NumericSettings(fps=5.0), entries(1, 2)),
        make_bundle(A, entries(1, 3)),
        make_bundle(A, entries(1, 2), job=JobSettings(batch_size=1)),
        make_bundle(A, entries(1, 2), tree="/videos"),
        make_bundle(A, entries(1, 2), attempt=1),
    ]
    assert len({name, *(other.name for other in others)}) == 6


def test_a_sound_file_is_left_alone_and_a_damaged_one_replaced(tmp_path):
    path = tmp_path / "bundles" / "x.json"
    bundle = make_bundle(A, entries(5, 7), job=JobSettings(stall_seconds=7.5))
    write_bundle(bundle, path)
    assert read_bundle(path) == bundle
    assert read_bundle(path).frames == 12

    os.utime(path, (1, 1))
    write_bundle(bundle, path)
    assert path.stat().st_mtime == 1
    path.write_text(path.read_text()[:-9])
    write_bundle(bundle, path)
    assert read_bundle(path) == bundle


@pytest.mark.parametrize("leftover", ["journals/{}.jsonl", "frames/{}.frames", "extracted/{}"])
def test_what_an_earlier_attempt_left_is_never_taken_for_this_ones(tmp_path, leftover):
    work = WorkFolder(tmp_path)
    names = set()
    for _ in range(3):
        bundle = new_bundle(A, JobSettings(), entries(5, 7), work)
        assert bundle == new_bundle(A, JobSettings(), entries(5, 7), work), (
            "every plan gives it the same name until then"
        )
        names.add(bundle.name)
        path = tmp_path / leftover.format(bundle.name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert len(names) == 3


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"name": 1}', b"\xff", b"[" * 9999])
def test_a_damaged_bundle_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match="x.json: not a readable bundle file"):
        read_bundle(tmp_path / "x.json")


def test_a_bundle_whose_content_is_not_its_names_is_refused(tmp_path):
    write_bundle(make_bundle(A, entries(5, 7), job=JobSettings(stall_seconds=7.5)), tmp_path / "x.json")
    sound = (tmp_path / "x.json").read_text()
    (tmp_path / "x.json").write_text(sound.replace('.npy"', '/../../x.npy"', 1))
    with pytest.raises(UserError, match="its content does not fit its name"):
        read_bundle(tmp_path / "x.json")
