"""Walking a tree: every video is found, or named with the reason why it cannot be taken."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3d.errors import UserError
from i3d.planning import tree as trees
from i3d.planning.tree import find_videos

MP4 = ["mp4"]


@pytest.fixture
def tree(tmp_path):
    """Makes small files under tmp_path/videos and returns that folder."""

    def make(*names: str):
        root = tmp_path / "videos"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x")
        return root

    return make


def names(found) -> list[str]:
    return [video.video for video in found.videos]


def test_all_depths_suffixes_and_cases(tree):
    root = tree("a.mp4", "test/b.MP4", "train_val/anomaly/c.1.avi", "train_val/x/y/d.txt", "e.npy")
    found = find_videos(root, [".MP4", "avi"])
    assert names(found) == ["a.mp4", "test/b.MP4", "train_val/anomaly/c.1.avi"]
    assert [video.feature for video in found.videos] == ["a.npy", "test/b.npy", "train_val/anomaly/c.1.npy"]
    assert found.videos[0].path == root / "a.mp4"
    assert found.refused == {}


def test_hidden_files_and_folders_are_passed_over(tree):
    found = find_videos(tree("a.mp4", "._a.mp4", ".cache/b.mp4"), MP4)
    assert (names(found), found.refused) == (["a.mp4"], {})


def test_folders_named_like_videos_are_folders(tree):
    assert names(find_videos(tree("x.mp4/inside.mp4"), MP4)) == ["x.mp4/inside.mp4"]


def test_links_are_followed_once_and_broken_ones_named(tree, tmp_path):
    root = tree("test/a.mp4")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.mp4").write_bytes(b"x")
    (root / "linked").symlink_to(elsewhere)
    (root / "test" / "up").symlink_to(root)
    (root / "dangling.mp4").symlink_to(tmp_path / "nothing")
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    found = find_videos(root, MP4)
    assert names(found) == ["linked/b.mp4", "test/a.mp4"]
    assert found.refused == {
        "dangling.mp4": "unreadable: a link to nothing",
        "loop.mp4": "unreadable: a link to itself",
    }


def test_pipes_and_devices_are_named(tree):
    root = tree("a.mp4")
    os.mkfifo(root / "pipe.mp4")
    (root / "device.mp4").symlink_to("/dev/null")
    reason = "unreadable: not a regular file"
    assert find_videos(root, MP4).refused == {"device.mp4": reason, "pipe.mp4": reason}


def test_what_must_not_be_read_is_named(tree, monkeypatch):
    root = tree("a.mp4", "b.mp4", "locked/c.mp4")
    scan = os.scandir
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "b.mp4")

    def scandir(folder):
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_videos(root, MP4)
    assert names(found) == ["a.mp4"]
    assert found.refused["b.mp4"] == "unreadable: Permission denied"
    assert found.refused["locked"] == "this folder cannot be read (Permission denied), so its videos are missing"


@pytest.mark.parametrize(
    ("subsets", "expected"),
    [
        (["test", "train_val/anomaly/"], ["test/anomaly/c.mp4", "train_val/anomaly/a.mp4"]),
        (["*/anomaly"], ["test/anomaly/c.mp4", "train_val/anomaly/a.mp4"]),
        (["train_val/non_anomaly/b.mp4"], ["train_val/non_anomaly/b.mp4"]),
        (["**/b.mp4", "test"], ["test/anomaly/c.mp4", "train_val/non_anomaly/b.mp4"]),
        (["train_val/[!n]*"], ["train_val/anomaly/a.mp4"]),
    ],
)
def test_subsets_are_folders_videos_or_patterns(tree, subsets, expected):
    root = tree("train_val/anomaly/a.mp4", "train_val/non_anomaly/b.mp4", "test/anomaly/c.mp4")
    assert names(find_videos(root, MP4, subsets)) == expected


def test_subsets_that_are_wrong(tree):
    root = tree("train_val/anomaly/a.mp4", "test/anomaly/c.mp4")
    with pytest.raises(UserError, match=r"'train_val/none' matches nothing .*test/anomaly, train_val/anomaly"):
        find_videos(root, MP4, ["train_val/none"])
    for subset in ("../secret", "/etc", ".i3d"):
        with pytest.raises(UserError, match="subsets: invalid value"):
            find_videos(root, MP4, [subset])


def test_an_absent_or_empty_tree(tree, tmp_path):
    with pytest.raises(UserError, match="videos: there is no folder .*nowhere"):
        find_videos(tmp_path / "nowhere", MP4)
    with pytest.raises(UserError, match="holds no video"):
        find_videos(tree("a.txt"), MP4)


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        (["a.mp4", "a.avi"], {"a.mp4", "a.avi"}),
        (["a.mp4", "a.MP4", "a.avi"], {"a.mp4", "a.MP4", "a.avi"}),
        (["a.mp4", "a.npy/b.mp4"], {"a.mp4"}),
        (["x/a.mp4", "x/a.npy/b.npy/c.mp4", "x/a.npy/b.mp4"], {"x/a.mp4", "x/a.npy/b.mp4"}),
        (["metadata.csv/b.mp4"], {"metadata.csv/b.mp4"}),
        (["feature_config.txt/b.mp4"], {"feature_config.txt/b.mp4"}),
    ],
)
def test_videos_that_want_one_place_are_refused_and_the_others_taken(tree, made, refused):
    found = find_videos(tree("good.mp4", *made), ["mp4", "avi"])
    assert set(found.refused) == refused
    assert set(names(found)) == {"good.mp4", *made} - refused


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("two\nlines.mp4", "two\\nlines.mp4", "control characters"),
        (os.fsdecode(b"latin\xe9.mp4"), "latin\\xe9.mp4", "not UTF-8"),
        ("{x}.mp4", "{x}.mp4", "cannot take { or }"),
        ("<features>.mp4", "<features>.mp4", "cannot take < or >"),
        ("x" * 252 + ".ts", "x" * 252 + ".ts", "256 bytes"),
        ("a" + ".npy" * 22 + ".mp4", "a" + ".npy" * 22 + ".mp4", "more than 20 times"),
    ],
)
def test_names_that_nothing_can_hold_are_rows(tree, name, row, reason):
    found = find_videos(tree("good.mp4", name), ["mp4", "ts"])
    assert names(found) == ["good.mp4"]
    assert list(found.refused) == [row]
    assert reason in found.refused[row]


@pytest.mark.parametrize("stem", ["x" * 251, "漢" * 83, "cam_" + "0" * 30, "-rf", "$(x)"])
def test_names_that_are_merely_odd_are_taken(tree, stem):
    assert names(find_videos(tree(f"{stem}.mp4"), MP4)) == [f"{stem}.mp4"]


def test_names_that_the_features_file_system_cannot_tell_apart(tree, tmp_path, monkeypatch):
    root = tree("a.mp4", "A.mp4", "caf\u00e9.mp4", "cafe\u0301.mp4", "b.mp4")
    assert find_videos(root, MP4, (), tmp_path).refused == {}, "this file system can"
    monkeypatch.setattr(trees, "_folds", lambda folder, one, other: one == "a")
    assert find_videos(root, MP4, (), tmp_path).refused == {
        "a.mp4": "the file system of the features does not tell its name from that of A.mp4; rename one"
    }
    monkeypatch.setattr(trees, "_folds", lambda folder, one, other: one != "a")
    assert list(find_videos(root, MP4, (), tmp_path).refused) == ["caf\u00e9.mp4"]
    assert [path.name for path in tmp_path.iterdir()] == ["videos"], "the file system is tried without a trace"


NAMES = st.text(st.sampled_from("ab. é$'"), min_size=1, max_size=3) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3)


@given(st.lists(st.tuples(PATHS, st.sampled_from(["mp4", "MP4", "avi", "txt"])), max_size=6))
@settings(max_examples=200, deadline=None)
def test_in_any_tree_every_video_is_found_or_named(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("tree")
    made = {"good.mp4"}
    (root / "good.mp4").write_bytes(b"x")
    for parts, suffix in files:
        path = root.joinpath(*parts[:-1], f"{parts[-1]}.{suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            made.add("/".join([*parts[:-1], path.name]))
        except OSError:  # a name too long, or a file where a folder should be
            continue
    wanted = {name for name in made if not name.endswith(".txt") and not any(p[0] == "." for p in name.split("/"))}
    found = find_videos(root, ["mp4", ".avi"])
    assert {*names(found), *found.refused} == {*map(trees.printable, wanted)}
    assert not {*names(found)} & {*found.refused}
    assert len({video.feature for video in found.videos}) == len(found.videos)
    for video in found.videos:
        assert video.path == root / video.video
        assert video.feature == video.video.rsplit(".", 1)[0] + ".npy"
    for name in {*found.refused}:
        assert name.isprintable()
