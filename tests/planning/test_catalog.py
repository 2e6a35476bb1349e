"""Finding videos, refusing what cannot be handled, remembering what was learnt."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3d.errors import UserError
from i3d.planning import catalog
from i3d.planning.catalog import find_videos, learn
from i3d.planning.probe import Probe

MP4 = ["mp4"]


@pytest.fixture
def tree(tmp_path):
    """Makes empty files under tmp_path/videos and returns that folder."""

    def make(*names: str):
        root = tmp_path / "videos"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x")
        return root

    return make


def names(videos) -> list[str]:
    return [video.video for video in videos]


def test_all_depths_suffixes_and_cases(tree):
    root = tree("a.mp4", "test/b.MP4", "train_val/anomaly/c.1.avi", "train_val/x/y/d.txt", "e.npy")
    videos = find_videos(root, [".MP4", "avi"])
    assert names(videos) == ["a.mp4", "test/b.MP4", "train_val/anomaly/c.1.avi"]
    assert [video.feature for video in videos] == ["a.npy", "test/b.npy", "train_val/anomaly/c.1.npy"]
    assert videos[0].path == root / "a.mp4"


def test_hidden_files_and_folders_are_passed_over(tree):
    assert names(find_videos(tree("a.mp4", "._a.mp4", ".cache/b.mp4"), MP4)) == ["a.mp4"]


def test_folders_named_like_videos_are_folders(tree):
    assert names(find_videos(tree("x.mp4/inside.mp4"), MP4)) == ["x.mp4/inside.mp4"]


def test_links_are_followed_once(tree, tmp_path):
    root = tree("test/a.mp4")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.mp4").write_bytes(b"x")
    (root / "linked").symlink_to(elsewhere)
    (root / "test" / "up").symlink_to(root)
    (root / "dangling.mp4").symlink_to(tmp_path / "nothing")
    assert names(find_videos(root, MP4)) == ["linked/b.mp4", "test/a.mp4"]


def test_subsets(tree):
    root = tree("train_val/anomaly/a.mp4", "train_val/non_anomaly/b.mp4", "test/anomaly/c.mp4")
    assert names(find_videos(root, MP4, ["test", "train_val/anomaly/"])) == [
        "test/anomaly/c.mp4",
        "train_val/anomaly/a.mp4",
    ]
    with pytest.raises(
        UserError, match=r"no folder .*train_val/none; the sub-trees are test/anomaly, train_val/anomaly"
    ):
        find_videos(root, MP4, ["train_val/none"])
    with pytest.raises(UserError, match="must be a path under"):
        find_videos(root, MP4, ["../secret"])


def test_an_absent_or_empty_tree(tree, tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder; put videos there, or set 'videos'"):
        find_videos(tmp_path / "nowhere", MP4)
    with pytest.raises(UserError, match="no video there"):
        find_videos(tree("a.txt"), MP4)


@pytest.mark.parametrize("pair", [("a.mp4", "a.avi"), ("a.mp4", "a.MP4")])
def test_two_videos_of_one_feature_are_both_named(tree, pair):
    with pytest.raises(UserError, match="both want the feature file a.npy") as caught:
        find_videos(tree(*pair), ["mp4", "avi"])
    assert all(name in str(caught.value) for name in pair)


@pytest.mark.parametrize("name", ["two\nlines.mp4", "tab\t.mp4", os.fsdecode(b"latin\xe9.mp4")])
def test_names_that_cannot_be_printed_are_refused(tree, name):
    with pytest.raises(UserError, match="rename these files") as caught:
        find_videos(tree(name), MP4)
    assert ascii(name) in str(caught.value)


@pytest.mark.parametrize("name", ["{x}.mp4", "a}.mp4", "<features>.mp4"])
def test_names_that_snakemake_cannot_take_are_refused(tree, name):
    with pytest.raises(UserError, match="Snakemake cannot take") as caught:
        find_videos(tree(name), MP4)
    assert name in str(caught.value)


def test_a_video_without_the_right_to_read(tree, monkeypatch):
    root = tree("a.mp4", "b.mp4")
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "b.mp4")
    with pytest.raises(UserError, match=r"b.mp4: no right to read; .*chmod"):
        find_videos(root, MP4)


def test_only_new_and_changed_files_are_probed(tree, tmp_path, monkeypatch):
    root = tree("a.mp4", "b.mp4")
    probed = []

    def probe_many(paths, **options):
        probed.append(sorted(path.name for path in paths))
        return [(path, Probe(frames=40, exact=True, fps=25.0, width=4, height=2, reason=None)) for path in paths]

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    options = {"cache": tmp_path / "catalog.json", "clip_length": 16, "fps": None, "processes": 1}
    for spoil, expected in (
        (lambda: None, ["a.mp4", "b.mp4"]),
        (lambda: None, []),
        (lambda: (root / "b.mp4").write_bytes(b"xy"), ["b.mp4"]),
        (lambda: os.utime(root / "a.mp4", (1, 1)), ["a.mp4"]),
        (lambda: options.update(fps=30.0), ["a.mp4", "b.mp4"]),
        (lambda: options["cache"].write_text("{"), ["a.mp4", "b.mp4"]),
        (lambda: options["cache"].write_text("[]"), ["a.mp4", "b.mp4"]),
        (lambda: options["cache"].write_text(options["cache"].read_text().replace("width", "breadth", 1)), ["a.mp4"]),
    ):
        spoil()
        known = learn(find_videos(root, MP4), **options)
        assert probed.pop() == expected
        assert [item.probe.frames for item in known] == [40, 40]
        assert known[0].digest != "" and known[0].file.video == "a.mp4"


def test_an_interrupted_plan_keeps_what_it_had_learnt(tree, tmp_path, monkeypatch):
    root = tree("a.mp4", "b.mp4", "c.mp4")

    def probe_many(paths, **options):
        for path in paths:
            if path.name == "c.mp4":
                raise KeyboardInterrupt
            yield path, Probe(frames=40)

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    monkeypatch.setattr(catalog, "SAVE_SECONDS", -1)
    cache = tmp_path / "catalog.json"
    with pytest.raises(KeyboardInterrupt):
        learn(find_videos(root, MP4), cache, clip_length=16, fps=None, processes=1)
    assert sorted(json.loads(cache.read_text())) == ["a.mp4", "b.mp4"]


def test_a_video_that_vanishes_during_planning_is_named(tree, tmp_path, monkeypatch):
    videos = find_videos(tree("a.mp4"), MP4)
    videos[0].path.unlink()
    monkeypatch.setattr(catalog, "probe_many", lambda paths, **options: [(path, Probe()) for path in paths])
    with pytest.raises(UserError, match=r"a\.mp4: cannot read it any more"):
        learn(videos, tmp_path / "catalog.json", clip_length=16, fps=None, processes=1)


NAMES = st.text(st.sampled_from("ab. é$'"), min_size=1, max_size=3) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3)


@given(st.lists(st.tuples(PATHS, st.sampled_from(["mp4", "MP4", "avi", "txt"])), max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_tree_is_listed_whole_or_refused_in_words(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("tree")
    made = set()
    for parts, suffix in files:
        path = root.joinpath(*parts[:-1], f"{parts[-1]}.{suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            made.add("/".join([*parts[:-1], path.name]))
        except OSError:  # a name too long, or a file where a folder should be
            continue
    wanted = {name for name in made if not name.endswith(".txt") and not any(p[0] == "." for p in name.split("/"))}
    try:
        videos = find_videos(root, ["mp4", ".avi"])
    except UserError as error:
        features = [name.rsplit(".", 1)[0] for name in wanted]
        unfit = [name for name in wanted if not name.isprintable() or set(name) & set("{}<>")]
        assert not wanted or unfit or len(set(features)) < len(features)
        assert "\n" not in str(error)
        return
    assert [video.video for video in videos] == sorted(wanted)
    assert len({video.feature for video in videos}) == len(videos)
    for video in videos:
        assert video.path == root / video.video
        assert video.feature == video.video.rsplit(".", 1)[0] + ".npy"
