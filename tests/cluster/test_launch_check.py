from pathlib import Path
from types import SimpleNamespace

import pytest

from i3d.cluster import launch_check as launch
from i3d.cluster.launch_check import Partition
from i3d.cluster.snakemake_internals import Request, requests, slurm_run
from i3d.errors import UserError
from tests.support.slurm_jobs import job, pair, workflow

SINFO = """\
cpubase_bycore_b1*|3:00:00|(null)
gpubase_bygpu_b1|3:00:00|gpu:a100:4(S:0-3)
gpubase_bygpu_b1|3:00:00|gpu:a100_3g.20gb:2(S:0-1),gpu:a100_4g.20gb:1
gpubase_bygpu_b5|7-00:00:00|gpu:a100:4(S:0-3)
debug|infinite|gpu:a100_4g.20gb:1
"""
PARTITIONS = launch.parse_partitions(SINFO)


@pytest.fixture
def slurm(monkeypatch):
    """Stand-in for the clients: a dictionary of their answers, which a test may change, and the jobs tried."""
    answers = {
        "sinfo": SINFO,
        "associations": "def-ours_cpu|1000|\ndef-ours_gpu|1000|\n",
        "qos": "normal|\n",
        "squeue": "",
        "sshare": "",
    }
    tried = []
    monkeypatch.setattr(
        launch, "_ask", lambda *command: next(text for name, text in answers.items() if name in command)
    )
    monkeypatch.setattr(launch, "check_with_controller", tried.append)
    return SimpleNamespace(answers=answers, tried=tried)


def test_partitions_are_read_with_their_slices():
    assert PARTITIONS[0] == Partition("cpubase_bycore_b1", True, 180, frozenset())
    assert PARTITIONS[2].slices == {"gpu:a100_3g.20gb", "gpu:a100_4g.20gb"}
    assert [each.minutes for each in PARTITIONS] == [180, 180, 180, 7 * 24 * 60, None]
    assert not PARTITIONS[3].default


@pytest.mark.parametrize(
    ("limit", "minutes"), [("30:00", 30), ("1-12:30:00", 36 * 60 + 30), ("infinite", None), ("n/a", None)]
)
def test_minutes_of_a_limit(limit, minutes):
    assert launch.parse_minutes(limit) == minutes


def test_a_pipe_pair_is_one_request():
    one = Request("def-ours_gpu", "gpubase_bygpu_b1", "gpu:a100_4g.20gb:1", 4, 40960, 60, 4)
    assert requests([*pair(), job("feature", local=True)]) == {one}


def test_apart_from_a_pipe_each_job_asks_for_itself():
    assert requests([job("decode", threads=3), job("extract", gres="gpu:a100:1")]) == {
        Request(cpus=3, threads=3),
        Request(gres="gpu:a100:1", cpus=1, threads=1),
    }


def test_a_sound_launch_is_tried_once_at_its_longest(slurm):
    launch.check(slurm_run(workflow(*pair(), *pair("other", runtime=90))), longest=180)
    assert [(each.minutes, each.cpus, each.memory_mb) for each in slurm.tried] == [(180, 4, 40960)]


@pytest.mark.parametrize(
    ("changed", "longest", "words"),
    [
        ({"slurm_account": "$SLURM_ACCOUNT"}, 180, "export SLURM_ACCOUNT=NAME.*yours are def-ours_cpu, def-ours_gpu"),
        ({"slurm_account": "def-ours"}, 180, "'def-ours' is not one of yours.*def-ours_gpu"),
        ({"gres": "gpu:h100:1"}, 180, "does not offer the GPU slice 'gpu:h100:1'.*gpu:a100_3g.20gb:1"),
        ({}, 181, "gpubase_bygpu_b1 ends at 180: lower longest_job, or set slurm_partition .*debug"),
        ({"slurm_partition": ""}, 181, "cpubase_bycore_b1 ends at 180"),
    ],
)
def test_what_does_not_fit_is_named(slurm, changed, longest, words):
    with pytest.raises(UserError, match=words):
        launch.check(slurm_run(workflow(*pair(**changed))), longest)
    assert not slurm.tried


def test_too_many_jobs_are_refused_counting_the_queue(slurm):
    slurm.answers["squeue"] = "1|other|/here\n" * 901
    with pytest.raises(UserError, match="set jobs in .* to 99 or less"):
        launch.check(slurm_run(workflow(*pair())), 180)
    slurm.answers["squeue"] = "1|other|/here\n" * 900
    launch.check(slurm_run(workflow(*pair())), 180)


def test_living_jobs_of_an_earlier_run_here_are_named(slurm):
    here = Path.cwd()
    slurm.answers["squeue"] = f"7|i3d_a1|{here}\n8_1|i3d_a1|{here}\n9|i3d_b2|{here}/elsewhere\n10|mine|{here}\n"
    with pytest.raises(UserError, match="`scancel 7 8_1`"):
        launch.check(slurm_run(workflow(*pair())), 180)


def test_the_smaller_of_two_limits_counts():
    assert launch.parse_limits("a|1000|\nB_gpu||gold\nc||", "normal|30\ngold|7\n") == {"a": 30, "b_gpu": 7, "c": 30}
    assert launch.parse_limits("a|1000|\nb||", "normal|\n") == {"a": 1000, "b": None}


def test_accounts_come_from_sshare_where_sacctmgr_is_silent(slurm):
    slurm.answers |= {"associations": "", "sshare": "def-other_gpu\n"}
    with pytest.raises(UserError, match="yours are def-other_gpu"):
        launch.check(slurm_run(workflow(*pair())), 180)


def test_a_silent_slurm_stops_nothing(slurm):
    slurm.answers |= dict.fromkeys(("sinfo", "associations", "qos"), "")
    launch.check(slurm_run(workflow(*pair())), 180)
    assert len(slurm.tried) == 1


def test_nothing_is_asked_where_nothing_is_submitted(monkeypatch):
    monkeypatch.setattr(launch, "_ask", None)
    assert slurm_run(workflow(*pair(gres="gpu:h100:1"), executor="local")) is None
    launch.check(slurm_run(workflow(job("all", local=True))), 180)


def test_a_job_with_fewer_cpus_than_its_rules_threads_is_refused(slurm):
    with pytest.raises(UserError, match="asks for 2 CPUs and its rules use 4 threads: lower set-threads"):
        launch.check(slurm_run(workflow(*pair(cpus_per_task=1))), 180)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, "sinfo is not here: start this profile on a login node"),
        (
            "echo 'sinfo: error: resolve_ctls_from_dns_srv: DNS SRV lookup failed' >&2; exit 1",
            "not set up on this machine",
        ),
    ],
)
def test_a_machine_without_a_cluster_is_told_apart(tmp_path, monkeypatch, program, words):
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        (tmp_path / "sinfo").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "sinfo").chmod(0o755)
    with pytest.raises(UserError, match=words):
        launch.check(slurm_run(workflow(*pair())), 180)


def test_a_machine_without_slurm_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="login node"):
        launch.check(slurm_run(workflow(*pair())), 180)
