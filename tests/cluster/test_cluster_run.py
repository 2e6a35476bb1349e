"""What is done for a run's jobs: logs of attempts that failed, and folders that are locked."""

import errno
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from i3d import files
from i3d.cluster import cluster_run, deaths, live_jobs, queue_watch
from i3d.cluster.cluster_run import ClusterRun, wait_for_jobs
from i3d.config import complete
from i3d.errors import UserError
from i3d.records.work_folder import WorkFolder
from tests.support import slurm_jobs
from tests.support.slurm_jobs import pair, workflow

BUNDLE = "0123456789abcdef"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The work folder of a tree in the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    return WorkFolder.beside(tmp_path / "features")


@pytest.fixture
def die(work, tmp_path, monkeypatch, caplog):
    """Lets an attempt of a bundle's job die, after its rules wrote these logs; returns what people are told."""
    monkeypatch.setattr(slurm_jobs, "set_gres_string", slurm_jobs.set_gres_string)
    monkeypatch.setattr(deaths, "ask", lambda *command, **_: "")
    job = pair(bundle=BUNDLE)
    run = workflow(job)
    slurm = ClusterRun(run, complete({}), work, logging.getLogger("test"))
    slurm.attend(writes=False)

    def die(attempt, **logs):
        job.attempt = attempt
        for member in job.jobs:
            path = tmp_path / f"logs/{member.rule.name}/{BUNDLE}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(logs.get(member.rule.name, ""))
            member.log = [str(path.relative_to(tmp_path))]
        caplog.clear()
        info = SimpleNamespace(job=job, external_jobid=str(attempt), aux=None)
        run.scheduler._executor.report_job_error(info, msg="SLURM status is: 'TIMEOUT'.")
        return caplog.text

    yield die
    slurm.end()


def test_a_retry_keeps_the_logs_of_the_attempt_before_it(die, work, tmp_path):
    said = die(1, extract="model on cuda\n")
    assert "its job 1 reached its time limit (TIMEOUT); attempt 1 of 3, tried again" in said
    assert f"all of it: logs/extract/{BUNDLE}.attempt1.log" in said, "the one that is not written over"
    die(2, extract="model on cuda again\n", decode="half of them\n")
    assert f"all of it: logs/extract/{BUNDLE}.log, logs/decode/{BUNDLE}.log" in die(3, decode="last", extract="last")
    assert {str(path.relative_to(tmp_path / "logs")): path.read_text() for path in tmp_path.rglob("*attempt*")} == {
        f"extract/{BUNDLE}.attempt1.log": "model on cuda\n",
        f"extract/{BUNDLE}.attempt2.log": "model on cuda again\n",
        f"decode/{BUNDLE}.attempt2.log": "half of them\n",
    }
    assert work.died_of(BUNDLE).read_text().startswith("its job 3 reached its time limit")


def test_a_full_disk_does_not_end_the_run_when_a_job_dies(die, work, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(source, copy):
        Path(copy).write_text("model")
        full()

    monkeypatch.setattr(files.os, "fsync", full)
    monkeypatch.setattr(cluster_run.shutil, "copyfile", half)
    said = die(1, extract="model on cuda\n")
    log = f"logs/extract/{BUNDLE}.log"
    assert f"why bundle {BUNDLE} died is not in the table: cannot write {work.died_of(BUNDLE)}: No space left" in said
    assert f"{log} is not kept from the next attempt: {log.removesuffix('.log')}.attempt1.log: No space left" in said
    assert "reached its time limit (TIMEOUT); attempt 1 of 3, tried again" in said
    assert f"all of it: {log}\n" in said
    assert not list(tmp_path.rglob("*attempt*")), "half a copy is none"


@pytest.mark.parametrize("writes", [False, True])
def test_only_a_run_that_extracts_replaces_what_is_noted_beside_the_tree(work, monkeypatch, writes):
    """A self-check may be another user's, while jobs of the tree's owner are at work."""
    monkeypatch.setattr(queue_watch, "ask", lambda *command, **_: "5|Priority\n")
    monkeypatch.setattr(slurm_jobs, "set_gres_string", slurm_jobs.set_gres_string)
    notes = {work.died_of(BUNDLE): "its job 3 reached its time limit\n", work.progress / "queue.txt": "7 held by you"}
    for path, text in notes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    slurm = ClusterRun(workflow(pair()), complete({}), work, logging.getLogger("test"))
    slurm.attend(writes=writes)
    assert slurm._watch.look() == 1
    slurm.end()
    found = [path.read_text() if path.exists() else "" for path in notes]
    assert found == (["", "1 for their turn"] if writes else [*notes.values()])


@pytest.mark.parametrize(("locked", "nolock"), [(False, False), (True, False), (True, True)])
def test_in_a_locked_folder_nobody_waits_in_vain(work, monkeypatch, locked, nolock):
    locks = [("output", "features/metadata.csv")] if locked else []
    run = workflow()
    run.execution_settings = SimpleNamespace(lock=not nolock)
    run.persistence = SimpleNamespace(_read_locks=lambda: iter(locks))
    mark = live_jobs.Mark("i3d_a", "alice", "login2", "/project/alice", "2026-11-28 12:00:00")
    waited = []
    monkeypatch.setattr(live_jobs, "living", lambda work, **_: [live_jobs.Living(mark, ("7",))])
    monkeypatch.setattr(live_jobs, "wait_for_jobs", lambda *_: waited.append(True))
    monkeypatch.setenv("I3D_COMMAND", '[["--snakefile", "CLONE/Snakefile", "--directory", "data"], [], "*"]')
    if locked and not nolock:
        unlock = "`snakemake --snakefile CLONE/Snakefile --directory data --cores 1 --unlock`"
        with pytest.raises(UserError, match=f"is locked .*{unlock} unlocks it, .* waits for jobs 7 of alice's run"):
            wait_for_jobs(run, work, print)
    else:
        wait_for_jobs(run, work, print)
    assert bool(waited) is (not locked or nolock)


def test_a_locked_folder_without_jobs_is_snakemakes_affair(work):
    run = workflow()
    run.execution_settings = SimpleNamespace(lock=True)
    run.persistence = SimpleNamespace(_read_locks=lambda: iter([("output", "features/metadata.csv")]))
    cluster_run.wait_for_jobs(run, work, print)
