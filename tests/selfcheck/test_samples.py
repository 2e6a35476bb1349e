"""A few videos that stand for all."""

import pytest

from i3d.selfcheck import samples
from tests.support.clips import h264_clip
from tests.support.paths import SUPPORT


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Four small videos, one large one, and files that are none."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("a", "b", "c", "d"):
        h264_clip(folder / f"{name}.mp4", frames=3)
    h264_clip(folder / "large.mp4", frames=3, size="320x240")
    (folder / "text.mp4").write_text("no video at all")
    (folder / "empty.mp4").touch()
    return folder


def test_the_most_frequent_kind_comes_first_and_files_without_video_are_left_out(tree):
    small, large = samples.choose(sorted(tree.iterdir()), kinds=5)
    assert [sample.path.name for sample in small] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [sample.kind for sample in small] == [(160, 96, "h264")] * 3
    assert [str(sample) for sample in large] == ["320x240 h264"] and large[0].frames == 3


def test_no_more_kinds_than_asked_for(tree):
    assert [group[0].width for group in samples.choose(sorted(tree.iterdir()), kinds=1)] == [160]


def test_the_same_tree_gives_the_same_samples(tree, monkeypatch):
    monkeypatch.setattr(samples, "LOOKED_AT", 3)
    paths = sorted(tree.iterdir())
    assert samples.choose(paths, 3) == samples.choose(paths[::-1], 3)


def test_a_file_that_kills_the_worker_costs_itself_alone(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    deadly = h264_clip(tmp_path / "dies.mp4", frames=3)
    found = samples.look_at([tree / "a.mp4", deadly, tree / "b.mp4"], module="hostile_samples")
    assert [sample.path.name for sample in found] == ["a.mp4", "b.mp4"]
