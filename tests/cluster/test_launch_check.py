import re
from types import SimpleNamespace

import pytest

from i3d.cluster import launch_check as launch
from i3d.cluster import slurm as clients
from i3d.cluster.launch_check import Limit
from i3d.cluster.slurm import Partition
from i3d.cluster.slurm_executor import Submission
from i3d.cluster.snakemake_internals import Request, requests, slurm_run
from i3d.cost.devices import offers
from i3d.cost.gpu_request import GpuRequest
from i3d.errors import UserError
from tests.support.slurm_jobs import Job, pair, workflow

SINFO = """\
cpubase_bycore_b1*|3:00:00|(null)
gpubase_bygpu_b1|3:00:00|gpu:a100:4(S:0-3)
gpubase_bygpu_b1|3:00:00|gpu:a100_3g.20gb:2(S:0-1),gpu:a100_4g.20gb:1
gpubase_bygpu_b5|7-00:00:00|gpu:a100:4(S:0-3)
debug|infinite|gpu:a100_4g.20gb:1
"""
PARTITIONS = clients.parse_partitions(SINFO)
QUEUE = "squeue --noheader --array --format=%i"


@pytest.fixture
def slurm(monkeypatch):
    """Stand-in for the clients: a dictionary of answers by the beginning of the command, and the calls tried."""
    answers = {
        "sinfo": SINFO,
        "sacctmgr -n -P show associations": "def-ours_cpu\ndef-ours_gpu\n",
        "sshare": "",
    }
    tried = []

    def ask(*command, **_):
        text = " ".join(command)
        return next((answer for start, answer in answers.items() if text.startswith(start)), "")

    monkeypatch.setattr(launch, "ask", ask)
    monkeypatch.setattr(clients, "ask", ask)
    monkeypatch.setattr(launch, "check_with_controller", lambda call, minutes: tried.append((call, minutes)))
    return SimpleNamespace(answers=answers, tried=tried)


def check(*jobs, longest=180, lent=None, **more):
    launch.check(slurm_run(workflow(*jobs, **more)), longest, lent or {})


def test_partitions_are_read_with_their_gpus():
    assert PARTITIONS[0] == Partition("cpubase_bycore_b1", True, 180, frozenset())
    assert PARTITIONS[2].gpus == {"a100_3g.20gb", "a100_4g.20gb"}
    assert [each.minutes for each in PARTITIONS] == [180, 180, 180, 7 * 24 * 60, None]
    assert not PARTITIONS[3].default
    assert clients.gpus_of(PARTITIONS) == ["a100", "a100_3g.20gb", "a100_4g.20gb"]


@pytest.mark.parametrize(
    ("limit", "minutes"), [("30:00", 30), ("1-12:30:00", 36 * 60 + 30), ("infinite", None), ("n/a", None)]
)
def test_minutes_of_a_limit(limit, minutes):
    assert clients.parse_minutes(limit) == minutes


def test_a_pipe_pair_is_one_request_for_one_gpu():
    (one,) = requests([pair(gres=None, gpu=1, gpu_model="a100")])
    assert (one.gpu, one.cpus, one.memory_mb, one.threads) == (GpuRequest("a100", 1, "gpus"), 4, 40960, 2)


def test_jobs_that_ask_alike_are_one_request():
    assert len(requests([pair(), pair(runtime=90), pair(bundle="b")])) == 1
    assert len(requests([pair(), pair(qos="gold"), pair(mem_mb=1)])) == 3
    assert requests([Job("decode", threads=3)]) == {Request(cpus=3, threads=3)}


def test_a_sound_launch_is_tried_once_at_its_longest_as_the_executor_will_call(slurm):
    check(pair(), pair(runtime=90, bundle="b"), Job("all", local=True))
    [(call, minutes)] = slurm.tried
    assert minutes == 180
    assert call.words == (
        *("--parsable", "--job-name", "i3d_0123", "-A", "def-ours_gpu", "-p", "gpubase_bygpu_b1", "-t", "60"),
        *("--mem", "40960", "--cpus-per-task=4", "--gres=gpu:a100_4g.20gb:1"),
    )


@pytest.mark.parametrize(
    ("resources", "option"),
    [
        ({"gres": "gpu:a100"}, "--gres=gpu:a100:1"),
        ({"gres": "gres/gpu:a100:1,shard:1"}, "--gres=gpu:a100:1,shard:1"),
        ({"gres": None, "gpu": 1, "gpu_model": "a100"}, "--gpus=a100:1"),
        ({"gres": None, "slurm_extra": "--gpus-per-node=a100:1"}, "--gpus-per-node=a100:1"),
        ({"qos": "gold"}, "--qos=gold"),
        ({"slurm_extra": "--constraint=milan"}, "--constraint=milan"),
    ],
)
def test_what_is_asked_for_in_any_spelling_is_tried(slurm, resources, option):
    check(pair(**resources))
    [(call, _)] = slurm.tried
    assert option in call.words and sum("a100" in word for word in call.words) == 1


@pytest.mark.parametrize(
    ("changed", "longest", "words"),
    [
        ({"slurm_account": "$I3D_ACCOUNT"}, 180, "export I3D_ACCOUNT=NAME.*yours are def-ours_cpu, def-ours_gpu"),
        ({"slurm_account": "def-ours"}, 180, "'def-ours' is not one of yours.*def-ours_gpu"),
        ({"gres": "gpu:gtx_1080:1"}, 180, "does not offer the GPU 'gtx_1080': write `gres: \"gpu:TYPE:1\"`.*a100_3g"),
        ({}, 181, "gpubase_bygpu_b1 ends at 180: lower longest_job, or set slurm_partition .*debug"),
        ({"slurm_partition": ""}, 181, "cpubase_bycore_b1 ends at 180"),
    ],
)
def test_what_does_not_fit_is_named(slurm, changed, longest, words):
    with pytest.raises(UserError, match=words):
        check(pair(**changed), longest=longest)
    assert not slurm.tried


def test_a_missing_slice_has_its_nearest_with_the_price(slurm):
    slurm.answers["sinfo"] = SINFO.replace("gpu:a100_4g.20gb:1", "gpu:a100_1g.5gb:1")
    with pytest.raises(UserError) as refused:
        check(pair(), lent=offers("narval"))
    assert str(refused.value) == (
        "This cluster does not offer the GPU 'a100_4g.20gb': write `gres: \"gpu:a100_3g.20gb:1\"` in "
        "the profile's config.yaml, the nearest that it has, charged as 2 RGU instead of 2.3 RGU "
        "(it has a100, a100_1g.5gb, a100_3g.20gb)."
    )


@pytest.mark.parametrize(
    ("listed", "asked", "words"),
    [
        ("gpu:4", "a100", r"write `gres: \"gpu:1\"` in .*config.yaml \(it has GPUs without a type\)\."),
        ("gpu:4,gpu:h100:2", "gtx_1080", r"write `gres: \"gpu:1\"` .*\(it has h100, GPUs without a type\)"),
        ("gpu:4,gpu:h100:2", "a100", r"write `gres: \"gpu:h100:1\"` in .*, the nearest .*\(it has h100, GPUs without"),
    ],
)
def test_gpus_without_a_type_are_asked_for_by_number(slurm, listed, asked, words):
    slurm.answers["sinfo"] = f"gpubase_bygpu_b1|3:00:00|{listed}\n"
    with pytest.raises(UserError, match=words):
        check(pair(gres=f"gpu:{asked}:1"))
    check(pair(gres="gpu:1"))


@pytest.mark.parametrize("resources", [{"gres": "gpu:a100:4"}, {"gres": None, "gpu": 4, "gpu_model": "a100"}])
def test_several_gpus_for_a_job_are_refused(slurm, resources):
    told = "asks for 4 GPUs, `gpu:a100:4`, and a job uses one of them: write `gpu:a100:1`"
    with pytest.raises(UserError, match=told):
        check(pair(**resources))
    assert not slurm.tried


def test_a_gpu_is_offered_by_any_of_its_names(slurm):
    slurm.answers["sinfo"] = SINFO.replace("a100_4g.20gb", "nvidia_h100_80gb_hbm3_2g.20gb")
    check(pair(gres="gpu:h100_2g.20gb:1"))
    check(pair(gres="gpu:1"))
    assert len(slurm.tried) == 2


@pytest.mark.parametrize(
    ("limits", "jobs", "words"),
    [
        ([Limit(1000, 901, "you")], 100, "100 jobs at once, beside 901 .* than the 1000 that you .* to 99 or less"),
        (
            [Limit(1000, 900, "you"), Limit(50, 0, "the QOS gold")],
            100,
            "the 50 that the QOS gold .* to 50 or less",
        ),
        ([Limit(10, 10, "you")], 2, "to 1 or less"),
        ([Limit(10, 10, "you")], None, "Unlimited jobs at once"),
        ([Limit(0, 0, "you")], 1, "SLURM lets you have no jobs at all"),
    ],
)
def test_too_many_jobs_are_refused_counting_the_queue(limits, jobs, words):
    with pytest.raises(UserError, match=words):
        launch.check_jobs(jobs, limits)


def test_jobs_that_fit_pass_and_one_may_wait_for_room():
    launch.check_jobs(100, [Limit(1000, 900, "you")])
    launch.check_jobs(1, [Limit(1, 1, "you")])


def test_limits_come_from_user_account_its_parents_and_qos(slurm):
    own = "sacctmgr --noheader --parsable2 show associations where user="
    of = "sacctmgr --noheader --parsable2 show associations where account="
    slurm.answers |= {
        own: "def-ours_cpu|me||5||\ndef-ours_gpu|me||7||gold\n",
        f"{of}def-ours_gpu": "def-ours_gpu|||||\n",
        "sacctmgr --noheader --parsable2 show qos": "normal|1||\ngold|30|40|50\n",
        f"{QUEUE} --account=def-ours_gpu": "1\n2\n",
        f"{QUEUE} --me": "3\n",
    }
    slurm.answers[f"{of}def-ours_gpu"] = "def-ours_gpu||def-ours||20|\ndef-ours_gpu|me|||3|\n"
    slurm.answers[f"{of}def-ours"] = "def-ours||root||200|\n"
    call = Submission(("-A", "def-ours_gpu"))
    assert [(each.jobs, each.queued, each.whose) for each in launch.limits_of(call)] == [
        (7, 1, "you under the account def-ours_gpu"),
        (20, 2, "the account def-ours_gpu"),
        (200, 0, "the account def-ours"),
        (30, 1, "each user of the QOS gold"),
        (40, 2, "each account of the QOS gold"),
        (50, 0, "the QOS gold"),
    ]
    assert next(launch.limits_of(Submission(("-A", "def-ours_gpu", "--qos=normal")))).jobs == 7
    assert [each.jobs for each in launch.limits_of(Submission(("-A", "def-ours_gpu", "--qos=normal")))][-1] == 1


def test_accounts_come_from_sshare_where_sacctmgr_is_silent(slurm):
    slurm.answers |= {"sacctmgr -n -P show associations": "", "sshare": "def-other_gpu\n"}
    with pytest.raises(UserError, match="yours are def-other_gpu"):
        check(pair())


def test_a_silent_slurm_stops_nothing(slurm):
    slurm.answers |= dict.fromkeys(("sinfo", "sacctmgr -n -P show associations"), "")
    check(pair())
    assert len(slurm.tried) == 1


def test_nothing_is_asked_where_nothing_is_submitted(monkeypatch):
    monkeypatch.setattr(clients, "ask", None)
    assert slurm_run(workflow(pair(), executor="local")) is None
    check(Job("all", local=True))


def test_a_job_with_fewer_cpus_than_its_rules_threads_is_refused(slurm):
    with pytest.raises(UserError, match="asks for 2 CPUs and its rules use 6 threads: lower set-threads"):
        check(pair(cpus_per_task=1), Job("decode", "extract", threads=3, cpus_per_task=1))


def program(folder, monkeypatch, name, text):
    """Put a program on the path, and nothing else."""
    monkeypatch.setenv("PATH", str(folder))
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("resolve_ctls_from_dns_srv: DNS SRV lookup failed", "SLURM is not set up on this machine"),
        (
            "slurm_load_partitions: Unable to contact slurm controller (connect failure)",
            r"SLURM does not answer now \(sinfo: .*Unable to contact.*\): try again later",
        ),
    ],
)
def test_a_machine_without_a_cluster_and_a_controller_that_is_down(tmp_path, monkeypatch, words, told):
    program(tmp_path, monkeypatch, "sinfo", f"echo 'sinfo: {words}' >&2; exit 1")
    with pytest.raises(UserError, match=told):
        check(pair())


def test_a_machine_without_slurm_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="sinfo is not here: start this profile on a login node"):
        check(pair())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "allocation failure: Invalid qos specification",
            r"would refuse these jobs \(alloc.*tried `sbatch --test",
        ),
        ("allocation failure: Unable to contact slurm controller", "SLURM does not answer now .*: try again later"),
    ],
)
def test_the_controller_has_the_last_word(tmp_path, monkeypatch, words, told):
    program(tmp_path, monkeypatch, "sbatch", f"echo '{words}' >&2; exit 1")
    with pytest.raises(UserError, match=told):
        launch.check_with_controller(Submission(("-A", "x")), 60)


def test_a_call_that_was_refused_can_be_pasted(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "sbatch", "echo 'Invalid feature specification' >&2; exit 1")
    tried = "`sbatch --test-only '--constraint=a&b' --time=60 --wrap=true`"
    with pytest.raises(UserError, match=re.escape(tried)):
        launch.check_with_controller(Submission(("--constraint=a&b",)), 60)


def test_a_limit_that_passes_is_no_refusal(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "sbatch", "echo 'sbatch: error: AssocGrpSubmitJobsLimit' >&2; exit 1")
    launch.check_with_controller(Submission(("-A", "x")), 60)
