"""A few videos that stand for all."""

import pytest

from i3d.selfcheck import samples
from tests.support.clips import h264_clip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Four small videos, a large one, one too short for a snippet, and files that are none."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("a", "b", "c", "d"):
        h264_clip(folder / f"{name}.mp4", frames=10)
    h264_clip(folder / "large.mp4", frames=10, size="320x240")
    h264_clip(folder / "short.mp4", frames=8, size="96x64")
    (folder / "text.mp4").write_text("no video at all")
    (folder / "empty.mp4").touch()
    return folder


def choose(paths, kinds):
    return samples.choose(list(paths), kinds, clip_length=8, processes=2)


def test_the_most_frequent_kind_comes_first_and_what_gives_no_snippet_is_left_out(tree):
    small, large = choose(tree.iterdir(), kinds=5)
    assert [sample.path.name for sample in small] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [sample.kind for sample in small] == [(160, 96, "h264")] * 3
    assert [str(sample) for sample in large] == ["320x240 h264"]


def test_no_more_kinds_than_asked_for(tree):
    assert [group[0].width for group in choose(tree.iterdir(), kinds=1)] == [160]


def test_the_same_tree_gives_the_same_samples(tree, monkeypatch):
    monkeypatch.setattr(samples, "LOOKED_AT", 3)
    paths = sorted(tree.iterdir())
    assert choose(paths, 3) == choose(paths[::-1], 3)
