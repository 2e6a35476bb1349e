"""One run at a time on a features tree."""

import os
import subprocess
import sys

import pytest

from i3d.errors import UserError
from i3d.records.tree_lock import take_lock
from i3d.records.work_folder import WorkFolder


def test_the_second_is_refused_and_told_of_the_first(tmp_path):
    lock = WorkFolder.beside(tmp_path).lock
    first = take_lock(lock)
    with pytest.raises(UserError, match=rf"{tmp_path} is locked by .*process {os.getpid()}, since"):
        take_lock(lock)
    first.close()
    take_lock(lock).close()


def test_it_goes_with_its_process_however_that_ends(tmp_path):
    lock = WorkFolder.beside(tmp_path).lock
    code = f"""
import os, pathlib
from i3d.records.tree_lock import take_lock
held = take_lock(pathlib.Path({str(lock)!r}))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert "run on" in lock.read_text()
    take_lock(lock).close()


def test_a_file_system_without_locks_grants_all(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError("Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    take_lock(tmp_path / "lock").close()
