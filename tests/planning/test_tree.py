"""Walking a tree: every video is found, or named with the reason why it cannot be taken."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3d.errors import UserError
from i3d.planning import tree as trees
from i3d.planning.tree import find_videos
from tests.support.users import ALICE, as_user, needs_root, open_folder

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
    (root / "test/anomaly").symlink_to(tmp_path / "not_mounted/anomaly")
    (root / "test/notes.txt").symlink_to(tmp_path / "nothing")
    found = find_videos(root, MP4)
    assert names(found) == ["linked/b.mp4", "test/a.mp4"]
    assert found.refused == {
        "dangling.mp4": "unreadable: a link to nothing",
        "loop.mp4": "unreadable: a link to itself",
        "test/anomaly": "unreadable: a link to nothing",
    }
    assert found.passed_over == {".txt": 1}


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


@needs_root
def test_what_must_not_be_read_is_not_called_absent():
    with open_folder() as folder:
        (folder / "closed/videos/test").mkdir(parents=True)
        (folder / "closed").chmod(0o700)
        said = as_user(ALICE, 0o022, lambda: find_videos(folder / "closed/videos", MP4))
        assert said.startswith(f"videos: the folder {folder}/closed/videos cannot be read (Permission denied)")
        said = as_user(ALICE, 0o022, lambda: find_videos(folder / "closed", MP4))
        assert said.startswith(f"videos: the folder {folder}/closed cannot be read (Permission denied)")

        def check_subset():
            found = find_videos(folder, MP4, ["closed/videos"])
            assert found.refused == {"closed/videos": "unreadable: Permission denied"}

        assert as_user(ALICE, 0o022, check_subset) == ""


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


def frames(folder, *names):
    """The names of pictures in a folder."""
    return [f"{folder}/{name}" for name in names or ("000.jpg", "001.jpg", "002.jpg")]


def test_folders_of_numbered_pictures_are_videos(tree):
    others = ["train/a.mp4", *frames("test/Thumbs", "x1.JPG", "Thumbs.db", ".DS_Store", "x2.jpg")]
    root = tree(*others, *frames("test/01_0014"), *frames("test/x.1", "img_7.png", "img_12.bmp"))
    found = find_videos(root, MP4)
    assert {video.video: video.feature for video in found.videos} == {
        "test/01_0014": "test/01_0014.npy",
        "test/Thumbs": "test/Thumbs.npy",
        "test/x.1": "test/x.1.npy",
        "train/a.mp4": "train/a.npy",
    }
    assert [video.video for video in found.videos if not video.is_folder] == ["train/a.mp4"]
    assert (found.refused, found.passed_over) == ({}, {})
    assert found.videos[0].path == root / "test/01_0014"
    assert (
        names(find_videos(root, MP4, ["test/01_0014"])) == names(find_videos(root, MP4, ["*/01*"])) == ["test/01_0014"]
    )
    without = find_videos(root, MP4, frame_folders=False)
    assert (names(without), without.passed_over) == (["train/a.mp4"], {"folders of pictures": 3})


@pytest.mark.parametrize(
    ("made", "passed_over"),
    [
        (frames("x", "a.jpg", "b.jpg"), {"folders of pictures": 1}),
        (frames("x", "1.jpg", "words.txt"), {".jpg": 1, ".txt": 1}),
        (frames("x", "1.jpg", "2.jpg", "good.mp4"), {".jpg": 2}),
        (frames("x", "1.jpg", "2.jpg", "below/words.txt"), {".jpg": 2, ".txt": 1}),
        (frames(".", "1.jpg", "2.jpg"), {".jpg": 2}),
        (frames("x", ".1.jpg", ".2.jpg", "Thumbs.db"), {}),
        (
            ["a.H264", "b.h264", "README", "c.tar.gz", "d.", "._a.mp4", "desktop.ini"],
            {".h264": 2, "no suffix": 2, ".gz": 1},
        ),
    ],
)
def test_what_is_no_video_is_counted(tree, made, passed_over):
    found = find_videos(tree("good.mp4", *made), MP4, ["."])
    assert found.passed_over == passed_over
    assert list(found.passed_over) == list(passed_over), "the frequent first"
    assert found.refused == {}
    assert [video for video in found.videos if video.is_folder] == []


@pytest.mark.parametrize("spelt", ["{}", "{}/", "{}/.", "/{}", "{}/test/..", "."])
def test_a_root_may_be_spelt_in_any_way(tree, monkeypatch, spelt):
    root = tree("test/a.mp4", "b.mp4")
    monkeypatch.chdir(root)
    found = find_videos(Path(spelt.format(root)), MP4)
    assert [(video.video, video.feature) for video in found.videos] == [
        ("b.mp4", "b.npy"),
        ("test/a.mp4", "test/a.npy"),
    ]


def test_known_files_and_those_of_known_folders_are_not_counted(tree):
    root = tree(
        "good.mp4", "train.txt", "lists/train.txt", "notes.txt", "masks/1.npy", "masks/deep/2.npy", "masks/a.mp4"
    )
    found = find_videos(root, MP4, known={"train.txt", "masks"})
    assert (names(found), found.passed_over) == (["good.mp4", "masks/a.mp4"], {".npy": 1, ".txt": 1})


def test_what_lies_in_two_subsets_is_counted_once(tree):
    root = tree("test/a.mp4", "test/x/a.txt", *frames("test/f"))
    for subsets in (["test", "test/x"], ["test/x", "test"], ["test", "test"], ["test/f", "**"]):
        found = find_videos(root, MP4, subsets)
        assert (names(found), found.passed_over) == (["test/a.mp4", "test/f"], {".txt": 1})


def test_frames_that_cannot_be_taken_are_named(tree):
    root = tree(
        "x.mp4", *frames("x"), *frames("twice", "1.jpg", "01.jpg"), *frames("metadata.csv"), *frames("{a}"), "good.mp4"
    )
    found = find_videos(root, MP4)
    assert names(found) == ["good.mp4", "metadata.csv"]
    assert found.refused == {
        "twice": "its pictures 01.jpg and 1.jpg have the same number; remove one",
        "x": "x and x.mp4 all give x.npy; rename all but one",
        "x.mp4": "x and x.mp4 all give x.npy; rename all but one",
        "{a}": "Snakemake cannot take { or } in a name; rename it",
    }


def test_a_tree_without_videos_says_what_is_there(tree):
    with pytest.raises(UserError, match=r"holds no video \(\.mp4\), but 2 \.dav, 1 folders of pictures; set"):
        find_videos(tree("x.dav", "y.DAV", *frames("x", "a.jpg")), MP4)


def stamp(root):
    (video,) = find_videos(root, MP4).videos
    return video.stamp


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "500.jpg").write_bytes(b"y"),
        lambda folder: (folder / "000.jpg").write_bytes(b"y"),
        lambda folder: (folder / "999.jpg").write_bytes(b"y"),
        lambda folder: (folder / "333.jpg").unlink(),
        lambda folder: (folder / "333.jpg").rename(folder / "1000.jpg"),
        lambda folder: (folder / ".new").replace(folder / "333.jpg"),
    ],
)
def test_a_changed_picture_is_seen_as_far_as_is_promised(tree, change):
    root = tree(*frames("x", *(f"{number:03}.jpg" for number in range(1000))))
    (root / "x" / ".new").write_bytes(b"z")
    before = stamp(root)
    assert stamp(root) == before
    change(root / "x")
    assert stamp(root) != before


def test_few_pictures_are_asked_for_their_times(tree, monkeypatch):
    root = tree(*frames("x", *(f"{number}.jpg" for number in range(1000))))
    asked = []
    stating = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: asked.append(path) or stating(path, **options))
    find_videos(root, MP4)
    assert len([path for path in asked if path.suffix == ".jpg"]) < 40


NAMES = st.text(st.sampled_from("ab. é$'"), min_size=1, max_size=3) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3)


@given(st.lists(st.tuples(PATHS, st.sampled_from(["mp4", "MP4", "avi", "txt"])), max_size=6))
@settings(max_examples=200)
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
