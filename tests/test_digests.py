"""What tells one file's content from another's."""

import os
import shutil
from pathlib import Path

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


@pytest.fixture
def frames(tmp_path):
    """A folder of 200 pictures, of which some 30 are looked into."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03}.jpg").write_bytes(b"picture %03d" % number)
    return folder


def test_a_folder_of_pictures_keeps_its_digest_when_it_is_moved_copied_or_touched(frames, tmp_path):
    before = video_digest(frames)
    (frames / "Thumbs.db").write_bytes(b"x")
    os.utime(frames / "100.jpg", (1, 1))
    assert video_digest(frames) == before
    shutil.copytree(frames, tmp_path / "copy")
    assert video_digest(frames.rename(tmp_path / "moved")) == video_digest(tmp_path / "copy") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "003.jpg").write_bytes(b"of another size"),
        lambda folder: (folder / "100.jpg").write_bytes(b"picture XXX"),  # of the same size, in the middle
        lambda folder: (folder / "000.jpg").write_bytes(b"picture XXX"),
        lambda folder: (folder / "199.jpg").write_bytes(b"picture XXX"),
        lambda folder: (folder / "003.jpg").unlink(),
        lambda folder: (folder / "200.jpg").write_bytes(b"picture 200"),
        lambda folder: (folder / "003.jpg").rename(folder / "003.png"),
        lambda folder: (folder / "003.jpg").rename(folder / "200.jpg"),
    ],
)
def test_a_folder_whose_pictures_changed_is_another(frames, change):
    before = video_digest(frames)
    change(frames)
    assert video_digest(frames) != before


def test_what_of_a_folder_is_not_seen(frames):
    """A picture of the same size that is not among those looked into, as the documentation says."""
    before = video_digest(frames)
    (frames / "003.jpg").write_bytes(b"picture XXX")
    assert video_digest(frames) == before


def test_what_is_neither_a_file_nor_numbered_pictures_has_no_digest(frames, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (frames / "words.txt").touch()
    for path in (tmp_path / "pipe", tmp_path, frames, tmp_path / "none", Path("/dev/null")):
        with pytest.raises(OSError):
            video_digest(path)
        with pytest.raises(OSError):
            file_sha256(path)
    (frames / "words.txt").rename(frames / "1.jpg")
    with pytest.raises(OSError):
        video_digest(frames)  # 1.jpg and 001.jpg


def test_a_pipe_among_pictures_is_no_picture_and_nobody_waits_for_it(frames):
    before = video_digest(frames)
    for name in ("003.jpg", "100.jpg"):
        (frames / name).unlink()
        os.mkfifo(frames / name)
        assert before != (before := video_digest(frames))


def test_equal_values_have_one_name():
    assert json_digest({"a": 1, "b": [2.0]}) == json_digest({"b": [2.0], "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 2})
