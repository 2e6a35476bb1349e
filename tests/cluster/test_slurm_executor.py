"""What is added to the executor, on one that composes its calls as the real one does; tests/slurm has the real one."""

import time
from types import SimpleNamespace

import pytest

from i3d.cluster import deaths, slurm_executor
from i3d.cluster.slurm_executor import Submission, attend, submission
from i3d.errors import UserError
from tests.cluster.test_deaths import message
from tests.support import slurm_jobs
from tests.support.slurm_jobs import Executor, pair

LIMIT = "sbatch: error: QOSMaxSubmitJobPerUserLimit"


@pytest.fixture
def executor(monkeypatch):
    """An executor whose sbatch answers from a list: each answer is a refusal, or "" for a job that is taken."""
    made = Executor()
    taken, said, dead = [], [], []

    class Sbatch:
        def __init__(self, call, **_):
            answer = made.answers.pop(0) if made.answers else ""
            if answer:
                made.report_job_error(SimpleNamespace(job=made.job, external_jobid=None, aux=None), msg=message(answer))
            else:
                taken.append(call)

    monkeypatch.setattr(slurm_jobs, "subprocess", SimpleNamespace(Popen=Sbatch))
    monkeypatch.setattr(slurm_jobs, "set_gres_string", slurm_jobs.set_gres_string)
    monkeypatch.setattr(deaths, "ask", lambda *command, **_: "")
    made.taken, made.said, made.dead = taken, said, dead

    def submit(job):
        made.job = job
        made.run_job(job)

    made.submit = submit
    attend(made, died=lambda job, death: dead.append(death), say=said.append, pause=0.05)
    return made


def test_a_submission_is_read_without_making_it():
    executor = Executor()
    call = submission(executor, pair(qos="gold", slurm_extra="--constraint='a&b'"))
    assert (call.value("-A", "--account"), call.value("--qos"), call.value("-p")) == (
        "def-ours_gpu",
        "gold",
        "gpubase_bygpu_b1",
    )
    assert "--constraint=a&b" in call.words and "--gres=gpu:a100_4g.20gb:1" in call.words
    assert not {"--output", "--comment", "/dev/stdin"} & set(call.words)
    assert call == submission(executor, pair(qos="gold", slurm_extra="--constraint='a&b'", bundle="other"))
    assert Submission(("-A",)).value("-A") == "" and Submission(()).value("-A") == ""


def test_what_the_executor_refuses_itself_is_told(monkeypatch):
    class Broken(Executor):
        def run_job(self, job):
            try:
                raise ValueError("the account is invalid")
            except ValueError as error:
                self.report_job_error(SimpleNamespace(job=job), msg=f"Job submission failed with exception: {error}")

    Broken.__module__ = Executor.__module__
    with pytest.raises(UserError, match="cannot submit these jobs: Job submission failed .*account is invalid"):
        submission(Broken(), pair())

    class Silent(Broken):
        def run_job(self, job):
            """Does nothing."""

    Silent.__module__ = Executor.__module__
    with pytest.raises(UserError, match="use the versions of envs/requirements.txt"):
        submission(Silent(), pair())


def test_a_group_names_its_bundle_and_asks_for_one_gpu(executor):
    job = pair(gres=None, gpu=1, gpu_model="a100", bundle="0123456789abcdef")
    executor.submit(job)
    assert job.resources["gpu"] == 2, "as Snakemake adds them up"
    assert job.wildcards == ["0123456789abcdef"]
    [call] = executor.taken
    assert " --gpus=a100:1 " in call


def test_a_job_without_a_gpu_keeps_its_other_resources(executor):
    executor.submit(pair(gres="shard:2"))
    executor.submit(pair(gres=None))
    assert " --gres=shard:2 " in executor.taken[0] and "gres" not in executor.taken[1]


def test_a_refusal_that_passes_is_offered_again_until_it_is_taken(executor):
    executor.answers[:] = [LIMIT, LIMIT]
    executor.submit(pair())
    assert not executor.taken and not executor.errors
    until(lambda: executor.taken)
    assert not executor.errors and not executor.dead
    assert executor.said == [
        "SLURM accepts no more jobs now (QOSMaxSubmitJobPerUserLimit); they are submitted again from time to time"
    ]


def test_jobs_that_wait_follow_each_other_at_once(executor):
    executor.answers[:] = [LIMIT, LIMIT, LIMIT]
    for number in range(3):
        executor.submit(pair(slurm_extra=f"--nice={number}"))
    until(lambda: len(executor.taken) == 3)
    assert [f"--nice={number}" in call for number, call in enumerate(executor.taken)] == [True] * 3


def test_after_a_run_nothing_is_offered_any_more(executor):
    executor.answers[:] = [LIMIT]
    executor.submit(pair())
    executor.wait = False
    time.sleep(0.2)
    assert not executor.taken


def test_a_refusal_that_does_not_pass_is_a_death(executor):
    executor.answers[:] = ["sbatch: error: Invalid qos specification"]
    executor.submit(pair())
    [death] = executor.dead
    assert death.reason == "SLURM refused its job: Invalid qos specification"
    assert len(executor.errors) == 1, "Snakemake is told as before"


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        (LIMIT, True),
        ("AssocGrpSubmitJobsLimit; Batch job submission failed: Job violates accounting/QOS policy", True),
        ("Unable to contact slurm controller (connect failure)", True),
        ("Batch job submission failed: Socket timed out on send/recv operation", True),
        ("Batch job submission failed: Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("Batch job submission failed: Invalid account or account/partition combination specified", False),
        ("Batch job submission failed: Requested node configuration is not available", False),
    ],
)
def test_which_refusals_pass(words, passes):
    assert slurm_executor.is_passing(words) is passes


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
