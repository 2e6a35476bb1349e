"""Why a job died, from what SLURM and the rules left. The texts are those of a real SLURM 22.05."""

from pathlib import Path

import pytest

from i3d.cluster import deaths
from i3d.cluster.deaths import Accounts, explain, parse_accounts, refusal, why_it_died

TIME_LIMIT = "slurmstepd-ng2: error: *** JOB 4 ON ng2 CANCELLED AT 2026-11-28T04:59:11 DUE TO TIME LIMIT ***"
CANCELLED = "slurmstepd-ng1: error: *** JOB 3 ON ng1 CANCELLED AT 2026-11-28T04:58:52 ***"
OOM = "slurmstepd-ng1: error: Detected 1 oom-kill event(s) in StepId=5.0. Some of your processes may have been killed"
NODE = "slurmstepd-ng1: error: *** JOB 6 ON ng1 CANCELLED AT 2026-11-28T05:01:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG"
NO_STEP = "srun: error: Unable to create step for job 9: Requested node configuration is not available"
GONE = "error: features/.i3d/frames/c2.frames: the reader of the frame stream is gone; see its log"
NONE = Accounts()


@pytest.mark.parametrize(
    ("state", "log", "known", "why"),
    [
        ("TIMEOUT", "", NONE, "reached its time limit (TIMEOUT)"),
        ("FAILED", TIME_LIMIT, NONE, "reached its time limit (TIMEOUT)"),
        (
            *("TIMEOUT", TIME_LIMIT, Accounts(("TIMEOUT", "CANCELLED"), "0:0", "02:00:00", "ng2", "40G")),
            "reached its time limit of 2.0 h on ng2 (TIMEOUT)",
        ),
        ("FAILED", OOM, NONE, "ran out of memory (OUT_OF_MEMORY)"),
        (
            *("FAILED", "", Accounts(("FAILED", "OUT_OF_MEMORY"), "0:125", "01:00:00", "ng1", "40960M")),
            "ran out of its 40 GB of memory on ng1 (OUT_OF_MEMORY)",
        ),
        ("CANCELLED", CANCELLED, NONE, "was cancelled (CANCELLED)"),
        ("CANCELLED", CANCELLED, Accounts(("CANCELLED by 0",)), "was cancelled by root (CANCELLED)"),
        ("CANCELLED", "", Accounts(("CANCELLED by 4711",)), "was cancelled by user 4711 (CANCELLED)"),
        ("NODE_FAIL", NODE, Accounts(("NODE_FAIL",), "0:0", "", "ng1"), "lost its node on ng1 (NODE_FAIL)"),
        ("FAILED", NODE, NONE, "lost its node (NODE_FAIL)"),
        ("PREEMPTED", "", NONE, "had to make room for another job (PREEMPTED)"),
        ("BOOT_FAIL", "", NONE, "ended (BOOT_FAIL)"),
        ("FAILED", NO_STEP, NONE, f"never began its work: {NO_STEP.partition(': error: ')[2]}"),
        ("FAILED", "some noise", Accounts(("FAILED",), "1:0"), "failed (exit status 1)"),
        ("FAILED", "some noise", Accounts(("FAILED",), "0:9"), "failed (signal 9)"),
        ("FAILED", CANCELLED, Accounts(("FAILED", "CANCELLED"), "2:0"), "failed (exit status 2)"),
    ],
)
def test_the_end_of_a_job_in_words(state, log, known, why):
    assert explain(state, log, known, {}) == ("", why)


def test_what_a_rule_says_itself_comes_first_and_its_log_is_named():
    said = {"extract": "12:00 model on cuda\nerror: device: cuda is set, but torch sees no GPU here", "decode": GONE}
    assert explain("FAILED", "", NONE, said) == (
        "extract",
        "failed: device: cuda is set, but torch sees no GPU here",
    )


def test_a_stage_whose_partner_is_gone_says_nothing_of_why():
    said = {"extract": "12:00 model on cuda", "decode": GONE}
    assert explain("FAILED", "", NONE, said) == ("extract", "failed: extract was killed, or crashed without a word")
    assert explain("FAILED", "", NONE, {"decode": GONE})[1] == "failed: one stage was killed, or crashed without a word"


def test_without_an_error_the_last_words_are_told():
    assert explain("FAILED", "", Accounts(("FAILED",), "1:0"), {"extract": "a\nSegmentation fault"}) == (
        "extract",
        "failed (exit status 1); extract: Segmentation fault",
    )


def test_the_accounting_is_read_with_its_steps():
    text = "FAILED|1:0|01:00:00|ng1|40G\nFAILED|1:0||ng1|\nOUT_OF_MEMORY|0:125||ng1|\n"
    assert parse_accounts(text) == Accounts(("FAILED", "FAILED", "OUT_OF_MEMORY"), "1:0", "01:00:00", "ng1", "40G")
    assert parse_accounts("") == parse_accounts("sacct: nothing of that form\n") == NONE


def message(words: str) -> str:
    """How the executor gives a refusal."""
    return f"SLURM sbatch failed. The error message was '{words}'.\n    sbatch call:\n        sbatch --parsable\n"


def test_a_refusal_is_in_sbatchs_own_words():
    words = "sbatch: error: AssocGrpSubmitJobsLimit\nsbatch: error: Batch job submission failed: it's a policy"
    assert refusal(message(words)) == "AssocGrpSubmitJobsLimit; Batch job submission failed: it's a policy"
    assert refusal("SLURM-job '5' failed, SLURM status is: 'TIMEOUT'. ") is None
    assert why_it_died(message(words), "", None, {}).reason == (
        "SLURM refused its job: AssocGrpSubmitJobsLimit; Batch job submission failed: it's a policy"
    )


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deaths, "ask", lambda *command, **_: "")
    for name, text in {
        "slurm/5.log": f"chatter\n{TIME_LIMIT}\n",
        "extract.log": "12:00 a.mp4: ok\n",
        "decode.log": "",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    return {"extract": Path("extract.log"), "decode": Path("decode.log"), "none": Path("no/such.log")}


def test_slurms_log_says_why_and_the_rules_logs_are_named(logs, tmp_path):
    died = "SLURM-job '5' failed, SLURM status is: 'FAILED'. Detailed failure reason unavailable"
    death = why_it_died(died, "5", tmp_path / "slurm/5.log", logs)
    assert death.reason == "its job 5 reached its time limit (TIMEOUT); see slurm/5.log"
    assert death.logs == ("extract.log",) and death.slurm_log == "slurm/5.log"


def test_a_job_that_failed_by_itself_is_looked_up_in_its_own_log(logs, tmp_path):
    Path("extract.log").write_text("error: weights: no such file\n")
    Path("slurm/5.log").write_text("chatter\n")
    death = why_it_died("SLURM status is: 'FAILED'.", "5", tmp_path / "slurm/5.log", logs)
    assert death.reason == "its job 5 failed: weights: no such file; see extract.log"


def test_what_the_executor_could_not_submit_is_told_as_it_says():
    death = why_it_died("Job submission failed with exception: no rule", "", None, {})
    assert death.reason == "its job was not submitted: Job submission failed with exception: no rule"
