"""Jobs that still write to a tree: marks, and what squeue says of them."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from i3d.cluster import live_jobs
from i3d.cluster.live_jobs import Mark, living, put_mark, wait_for_jobs
from i3d.errors import UserError
from i3d.records.work_folder import WorkFolder


@pytest.fixture
def work(tmp_path):
    return WorkFolder.beside(tmp_path / "features")


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """A squeue that prints a file, which a test may write; its arguments are kept beside."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/squeue"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\ncat {tmp_path}/queue\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin:/usr/bin")
    queue = tmp_path / "queue"
    queue.write_text("")
    return queue


def foreign(work: WorkFolder, name: str, user: str = "alice") -> None:
    mark = Mark(name, user, "login2", "/project/alice", "2026-11-28 12:00:00")
    work.jobs.mkdir(parents=True, exist_ok=True)
    (work.jobs / f"{name}.json").write_bytes(msgspec.json.encode(mark))


def test_a_tree_without_marks_asks_nobody(work, monkeypatch):
    monkeypatch.setattr(live_jobs, "ask", None)
    assert living(work) == []


def test_jobs_of_a_mark_are_found_by_their_name(work, squeue, tmp_path):
    put_mark(work, "i3d_a")
    foreign(work, "i3d_b")
    squeue.write_text("7|i3d_a\n8_1|i3d_b\n9|i3d_b\n")
    mine, hers = living(work)
    assert "--name=i3d_a,i3d_b" in (tmp_path / "asked").read_text() and "--me" not in (tmp_path / "asked").read_text()
    assert str(mine).startswith(f"jobs 7 of your run in {Path.cwd()} since 20")
    assert str(hers) == "jobs 8_1, 9 of alice's run in /project/alice since 2026-11-28 12:00:00"


def test_marks_of_ended_jobs_are_removed(work, squeue):
    put_mark(work, "i3d_a")
    foreign(work, "i3d_b")
    assert living(work) == []
    assert len(list(work.jobs.iterdir())) == 2, "the run that holds the tree may not have submitted anything yet"
    assert living(work, tidy=True) == []
    assert not list(work.jobs.iterdir())


def test_jobs_that_slurm_hides_are_seen_by_their_progress(work, squeue):
    foreign(work, "i3d_b")
    progress = work.progress / "extract/b.json"
    progress.parent.mkdir(parents=True)
    progress.write_text("{}")
    [hers] = living(work)
    assert hers.jobs == () and "jobs of alice's run" in str(hers)
    old = time.time() - 2 * live_jobs.FRESH_SECONDS
    os.utime(progress, (old, old))
    assert living(work) == []


def test_ones_own_jobs_are_never_hidden(work, squeue):
    put_mark(work, "i3d_a")
    (work.progress / "extract").mkdir(parents=True)
    (work.progress / "extract/b.json").write_text("{}")
    assert living(work) == []


def test_a_mark_that_is_none_is_passed_over(work, squeue):
    foreign(work, "i3d_b,other")
    (work.jobs / "half.json").write_text('{"na')
    assert living(work) == []


def test_a_controller_that_is_down_is_told(work, squeue, tmp_path):
    put_mark(work, "i3d_a")
    (tmp_path / "bin/squeue").write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    with pytest.raises(UserError, match="SLURM does not answer now .*: try again later"):
        living(work)
    assert len(list(work.jobs.iterdir())) == 1


def test_a_machine_of_no_cluster_warns_and_goes_on(work, monkeypatch, capsys):
    put_mark(work, "i3d_a")
    monkeypatch.setenv("PATH", "")
    assert living(work) == []
    assert "may still write to" in capsys.readouterr().err
    assert len(list(work.jobs.iterdir())) == 1


def test_a_run_waits_until_the_jobs_have_ended_and_says_so_once(work, squeue, monkeypatch):
    put_mark(work, "i3d_a")
    squeue.write_text("7|i3d_a\n")
    said, pauses = [], []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            squeue.write_text("")

    monkeypatch.setattr(live_jobs, "time", SimpleNamespace(sleep=sleep))
    wait_for_jobs(work, said.append, pause=40)
    assert pauses == [40, 40, 40]
    [text] = said
    assert "jobs 7 of your run" in text and "waiting until they have ended" in text and "`scancel 7` ends them" in text
