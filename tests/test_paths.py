"""Paths from files and settings: what stays below a folder, and which folders share a place."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.paths import feature_of, features_of, is_below, is_clean, overlap


@pytest.mark.parametrize("name", ["a", "a/b.mp4", "..a/b..", "a b/ü", "-x/$y", "a\\b", "..."])
def test_clean_names(name):
    assert is_clean(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "/a", "//a", "../a", "a/..", "a/../b", "a/../../b", "./a", "a//b", "a/", "a\0b", "a/./b"],
)
def test_names_that_may_lead_elsewhere(name):
    assert not is_clean(name)


@given(st.text())
def test_a_clean_name_never_leads_out(name):
    if is_clean(name):
        assert os.path.normpath(f"/tree/{name}").startswith("/tree/")
        assert PurePosixPath("/tree", name).is_relative_to("/tree")


def test_the_feature_of_a_video_loses_the_last_suffix_alone():
    assert [feature_of(video) for video in ("a/x.mp4", "a.b/x.1.MP4", "x")] == ["a/x.npy", "a.b/x.1.npy", "x.npy"]
    for name in ("x.", ".x", "a..mp4", "..mp4", "...", "a.b/x", " .mp4", "x.mp4 "):
        assert feature_of(f"a/{name}") == str(PurePosixPath(f"a/{name}").with_suffix(".npy")), name


def test_the_feature_of_a_folder_of_pictures_keeps_all_of_its_name():
    assert [feature_of(folder, folder=True) for folder in ("a/x.1", "a.b/x")] == ["a/x.1.npy", "a.b/x.npy"]
    assert features_of("a/x.1") == ("a/x.npy", "a/x.1.npy")


def test_links_are_followed(tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "other")
    (tmp_path / "other/back").symlink_to(tmp_path / "tree")
    assert is_below(tmp_path / "tree/sub/new/x", tmp_path / "tree")
    assert not is_below(tmp_path / "tree/link/x", tmp_path / "tree")
    assert is_below(tmp_path / "other/back/x", tmp_path / "tree")
    assert not is_below(tmp_path / "tree2", tmp_path / "tree")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a/b", "a", True),
        ("a", "b", False),
        ("a", "ab", False),
        ("./a/../a/", "a", True),
        ("link", "a", True),
        ("link/b", "a", True),
        ("link/b", "a/c", False),
        ("none/x", "none/x/y", True),
    ],
)
def test_folders_that_share_a_place(tmp_path, monkeypatch, one, other, shared):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert overlap(Path(one), Path(other)) == overlap(Path(other), Path(one)) == shared
    assert overlap(Path(one).absolute(), Path(other)) == shared


def test_another_encoding_of_names_is_refused_in_a_sentence():
    program = "from i3d.errors import run_main; from i3d.paths import check_encoding; run_main(check_encoding)"
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for environment, words in ((plain, "error: Python reads names of files as ascii here"), ({"PYTHONUTF8": "1"}, "")):
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
        assert ended.stderr.startswith(words) and bool(ended.stderr) is bool(words)
