"""Feature files appear whole or not at all."""

import numpy as np
import pytest

from i3d.network.feature_file import FeatureWriter, NotFiniteError, npy_header


def snippet(value: float) -> np.ndarray:
    return np.full((10, 2048), value, np.float32)


@pytest.mark.parametrize("snippets", [3, 2])
def test_the_file_is_numpys_own(tmp_path, snippets):
    path = tmp_path / "a" / "x.npy"
    writer = FeatureWriter(path, 10, 2048)
    for value in (1, 2, 3):
        writer.append(snippet(value))
        assert not path.exists()
    writer.close(snippets)
    expected = np.stack([snippet(value) for value in (1, 2, 3)[:snippets]])
    np.save(tmp_path / "numpy.npy", expected)
    assert path.read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert np.load(path, allow_pickle=False).flags.c_contiguous
    assert [entry.name for entry in path.parent.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("snippets", [0, 2])
def test_fewer_snippets_than_a_video_has_are_no_file(tmp_path, snippets):
    writer = FeatureWriter(tmp_path / "x.npy", 10, 2048)
    writer.append(snippet(1))
    with pytest.raises(ValueError, match=f"1 of {snippets} snippets were written"):
        writer.close(snippets)


def test_a_long_videos_header_fits():
    assert b"(1000000000, 10, 2048)" in npy_header((10**9, 10, 2048))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(tmp_path, bad):
    writer = FeatureWriter(tmp_path / "x.npy", 10, 2048)
    writer.append(snippet(1))
    broken = snippet(1)
    broken[3, 4] = bad
    with pytest.raises(NotFiniteError, match="NaN or Inf in the features of snippet 1"):
        writer.append(broken)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_tries_at_one_video_do_not_meet(tmp_path):
    first, second = (FeatureWriter(tmp_path / "x.npy", 1, 4) for _ in range(2))
    for writer, value in ((first, 1), (second, 2)):
        writer.append(np.full((1, 4), value, np.float32))
    first.discard()
    second.close(1)
    assert np.load(tmp_path / "x.npy").tolist() == [[[2, 2, 2, 2]]]


def test_the_temporary_file_of_another_is_not_written_to(tmp_path, monkeypatch):
    theirs = tmp_path / ".7-7.part"
    theirs.write_bytes(b"theirs")
    monkeypatch.setattr("i3d.network.feature_file.part_of", lambda path: theirs)
    writer = FeatureWriter(tmp_path / "x.npy", 10, 2048)
    with pytest.raises(FileExistsError):
        writer.append(snippet(1))
    writer.discard()
    assert theirs.read_bytes() == b"theirs"


@pytest.mark.parametrize("wrong", [np.zeros((10, 2048)), np.zeros((9, 2048), np.float32)])
def test_wrong_snippets_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="a snippet must be"):
        FeatureWriter(tmp_path / "x.npy", 10, 2048).append(wrong)
