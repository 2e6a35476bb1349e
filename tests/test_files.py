"""Writing files whole or not at all."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from i3d.errors import UserError
from i3d.files import PART_NAME, move, part_of, read_file, write_atomically


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/x.json: (Not a directory|File exists)"):
        write_atomically(tmp_path / "file" / "x.json", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot write .*: Is a directory"):
        write_atomically(tmp_path / "folder", "")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("漢" * 85)  # 255 bytes
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_processes_of_the_same_number_do_not_meet():
    """As two jobs of a run may have, each on a node of its own."""
    code = "import os, pathlib, i3d.files; os.getpid = lambda: 7; print(i3d.files.part_of(pathlib.Path('x')), end='')"
    command = [sys.executable, "-c", code]
    names = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    names += [part_of(Path("x")).name for _ in range(2)]
    assert len(set(names)) == len(names)
    assert all(map(PART_NAME.fullmatch, names)), "the end of a run removes what a killed process left"


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert Path(folder).stat().st_dev != tmp_path.stat().st_dev, "this test needs /dev/shm to be a file system"
        yield Path(folder)


def test_a_file_is_moved_to_another_file_system(tmp_path, elsewhere):
    source, target = tmp_path / "a.npy", elsewhere / "deep" / "a.npy"
    source.write_bytes(b"new")
    move(source, target)
    assert target.read_bytes() == b"new" and not source.exists()
    assert [path.name for path in target.parent.iterdir()] == ["a.npy"]


def test_a_move_that_breaks_off_loses_neither_file(tmp_path, elsewhere, monkeypatch):
    def copy_half(source, target):
        target.write_bytes(source.read_bytes()[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    source, target = tmp_path / "a.npy", elsewhere / "a.npy"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    monkeypatch.setattr("i3d.files.shutil.copyfile", copy_half)
    with pytest.raises(OSError, match="No space left"):
        move(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"new", b"old")
    assert [path.name for path in elsewhere.iterdir()] == ["a.npy"]


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"content")
    assert read_file(tmp_path / "file") == b"content"
    for odd in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            read_file(odd)
