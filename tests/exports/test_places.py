"""Wherever the folders are set to, exports take nothing that they did not write."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from i3d.config import complete
from i3d.errors import UserError
from i3d.exports.making import make
from i3d.exports.places import check_places
from tests.support.bystanders import lost, plant, snapshot
from tests.support.finished_trees import write_tree

NAMES = (
    "a",
    "a/b",
    "a/b/c",
    "d",
    ".",
    "a/test",
    "a/i3d",
    "d/test",
    "link",
    "link/b",
    "a/b/test/anomaly",
    "d/../a",
    "./d/",
)
PLACES = st.sampled_from(NAMES)
VIDEOS = [
    ("test/anomaly/x.mp4", 2, 1, 40, 30),
    ("test/normal/y.mp4", 1, 0, 20, 30),
    ("train/anomaly/z.mp4", 1, 1, 20, 30),
]


def build(root: Path, videos: str, features: str) -> None:
    """Both trees with files in them, and a link `link` to the folder `a`."""
    (root / "a").mkdir()
    (root / "link").symlink_to("a")
    for video, *_ in VIDEOS:
        path = root / videos / video
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video.encode())
    made = write_tree(root / "made", VIDEOS, crops=2, dim=3)
    (root / features).mkdir(parents=True, exist_ok=True)
    for path in made.rglob("*"):
        if path.is_file():
            target = root / features / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)


def run_all(config, features: Path) -> None:
    """What the targets do."""
    for target in ("lists", "ur_dmu", "vadclip", "tevad_s3r"):
        if errors := make(target, features / "metadata.csv", config).errors:
            raise UserError(errors[0])


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(PLACES, PLACES, PLACES, PLACES)
@example("a", "d", "a/b", "d")
@example("a", "d", "link", "x")
@example("a/b", "a/i3d", "a", "crops")
@example("a", "d", "lists", "lists")
@example("a", "d", "lists", "lists/i3d")
@example("a", "d", "crops/test", "crops")
def test_any_placement_is_refused_or_harms_nothing(videos, features, lists, crops):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        build(root, videos, features)
        names = {"videos": videos, "features": features}
        config = complete(
            {key: str(root / name) for key, name in names.items()}
            | {"lists": {"folder": str(root / lists)}, "crops": {"folder": str(root / crops)}}
        )
        plant(root / "a/b", root / "d", root / "lists", root / "crops", root / "crops/test")
        before = snapshot(root)
        try:
            check_places(config)
        except UserError as error:
            assert str(error).startswith(("lists: ", "crops: "))
            assert snapshot(root) == before
            return
        for _ in range(2):  # a second time over what the first wrote
            try:
                run_all(config, root / features)
            except UserError as error:
                assert "not written by this workflow" in str(error) or "a link leads there" in str(error)
        assert lost(before, snapshot(root)) == set()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crops": {"folder": "videos"}}, "crops: the folder videos and 'videos' .* overlap"),
        ({"crops": {"folder": "features"}}, "crops: the folder features and 'features'"),
        ({"lists": {"folder": "."}}, r"lists: the folder \. and 'videos'"),
        ({"lists": {"folder": "videos/train_val/lists"}}, "lists: the folder videos/train_val/lists and 'videos'"),
        ({"crops": {"folder": "to_videos/x"}}, "crops: the folder to_videos/x and 'videos'"),
        ({"lists": {"folder": "out"}, "crops": {"folder": "./out/"}}, "crops: the folder ./out/ and that of the lists"),
    ],
)
def test_overlaps_are_named(tmp_path, monkeypatch, changes, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "to_videos").symlink_to("videos")
    with pytest.raises(UserError, match=words):
        check_places(complete({"videos": "videos", "features": "features"} | changes))


def test_folders_of_their_own_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_places(complete({}))
    check_places(complete({"crops": {"folder": "dataset/lists/crops"}}))


def test_a_link_below_the_videos_to_the_folder_of_an_export_is_noticed(tmp_path):
    (tmp_path / "a").mkdir()
    build(tmp_path / "a", "videos", "features")
    folder = tmp_path / "a/videos/test/anomaly"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    config = complete(
        {
            "videos": str(tmp_path / "a/videos"),
            "features": str(tmp_path / "a/features"),
            "lists": {"folder": str(tmp_path / "elsewhere")},
        }
    )
    check_places(config)
    with pytest.raises(UserError, match="a link leads there from"):
        run_all(config, tmp_path / "a/features")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["x.mp4"]
    assert np.load(tmp_path / "a/features/test/anomaly/x.npy").shape == (2, 2, 3)
