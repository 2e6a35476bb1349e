"""What tells one file's content from another's."""

import os

import pytest

from i3d.digests import SAMPLE_BYTES, file_sha256, json_digest, video_digest


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_touched_video_is_the_same(tmp_path):
    (tmp_path / "x").write_bytes(b"video")
    before = video_digest(tmp_path / "x")
    os.utime(tmp_path / "x", (1, 1))
    assert video_digest(tmp_path / "x") == before


@pytest.mark.parametrize("place", [0, 500_000, 999_999])
def test_a_changed_video_is_another(tmp_path, place):
    content = bytearray(1_000_000)
    (tmp_path / "x").write_bytes(content)
    before = video_digest(tmp_path / "x")
    content[place] = 1
    (tmp_path / "x").write_bytes(content)
    assert video_digest(tmp_path / "x") != before
    (tmp_path / "x").write_bytes(bytes(1_000_001))
    assert video_digest(tmp_path / "x") != before
    assert len(content) > SAMPLE_BYTES * 3, "samples, not the whole"


def test_equal_values_have_one_name():
    assert json_digest({"a": 1, "b": [2.0]}) == json_digest({"b": [2.0], "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 2})
