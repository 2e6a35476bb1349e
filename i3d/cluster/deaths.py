"""Why a SLURM job died, in a sentence derived from its state, its log, the accounting, and the logs of its rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i3d.cluster.slurm import ask, parse_minutes
from i3d.errors import PREFIX, UserError
from i3d.files import read_end, user_name
from i3d.quantities import duration

LOG_BYTES = 20_000  # at the end of a log, to search
_STATUS = re.compile(r"SLURM status is: '(\w+)'")  # the state, in the executor's message
_REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.\n", re.DOTALL)
_SIGNS = {  # SLURM's messages in the job's log, by state
    "OUT_OF_MEMORY": re.compile(r"oom.kill|out of memory", re.IGNORECASE),
    "TIMEOUT": re.compile(r"DUE TO TIME LIMIT"),
    "NODE_FAIL": re.compile(r"DUE TO NODE FAILURE"),
    "PREEMPTED": re.compile(r"DUE TO PREEMPTION"),
    "CANCELLED": re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT"),
}
_VAGUE = ("FAILED", "CANCELLED", "COMPLETED")  # states that the log or the steps may correct
_NEVER_BEGAN = re.compile(r"^srun: (?:error|fatal): (.*(?:step|launch|configuration|controller|node).*)$", re.MULTILINE)
# Errors of a stage after the other end of the pipe has died, which do not explain why.
_CONSEQUENCE = re.compile("the reader of the frame stream is gone|decode did not finish")


@dataclass(frozen=True)
class Accounts:
    """A job in SLURM's accounting; all fields are empty without accounting or an answer."""

    states: tuple[str, ...] = ()  # of the job and its steps
    exit_code: str = ""
    limit: str = ""
    nodes: str = ""
    memory: str = ""  # requested, such as `40G`


@dataclass(frozen=True)
class Death:
    """A job that died: its number, why, and where to read more."""

    number: str  # in SLURM; empty if sbatch refused the job
    why: str  # the end of a sentence
    see: str = ""  # the most helpful log
    logs: tuple[str, ...] = ()  # those logs of its rules that are not empty
    slurm_log: str = ""

    @property
    def sentence(self) -> str:
        """Which job died and why."""
        return f"its job {self.number} {self.why}" if self.number else self.why

    @property
    def reason(self) -> str:
        """The sentence, with the log to look into."""
        return self.sentence + (f"; see {self.see}" if self.see else "")


def why_it_died(message: str, number: str, slurm_log: Path | None, rule_logs: Mapping[str, Path]) -> Death:
    """Find out why a job died, given the executor's `message` and the logs of its rules by name."""
    if refused := refusal(message):
        return Death("", f"SLURM refused its job: {refused}")
    log = read_end(slurm_log, LOG_BYTES).strip() if slurm_log else ""
    ends = {rule: text for rule, path in rule_logs.items() if (text := read_end(path, LOG_BYTES).strip())}
    logs, where = tuple(str(rule_logs[rule]) for rule in ends), shorter(slurm_log) if log else ""
    if not number:
        return Death("", f"its job was not submitted: {' '.join(message.split()) or 'no reason was given'}", logs=logs)
    status = _STATUS.search(message)
    rule, why = explain(status[1] if status else "FAILED", log, _account_of(number), ends)
    return Death(number, why, see=str(rule_logs[rule]) if rule else where, logs=logs, slurm_log=where)


def refusal(message: str) -> str | None:
    """Return sbatch's own words if the executor reports that sbatch refused the job; else None."""
    refused = _REFUSED.search(message + "\n")
    if refused is None:
        return None
    lines = [re.sub(r"^sbatch: (?:error: )?", "", line).strip() for line in refused[1].splitlines()]
    return "; ".join(filter(None, lines)) or "it gave no reason"


def _account_of(number: str) -> Accounts:
    """Ask `sacct` about a job."""
    query = ("sacct", "-n", "-P", "--format=State,ExitCode,Timelimit,NodeList,ReqMem", f"--jobs={number}")
    try:
        return parse_accounts(ask(*query, seconds=20))
    except UserError:  # no sacct
        return Accounts()


def parse_accounts(text: str) -> Accounts:
    """Parse `sacct -n -P --format=State,ExitCode,Timelimit,NodeList,ReqMem` of a job: lines for it and its steps."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 4]
    return Accounts(tuple(row[0] for row in rows), *rows[0][1:]) if rows else Accounts()


def explain(state: str, log: str, known: Accounts, ends: Mapping[str, str]) -> tuple[str, str]:
    """Return the rule with the most helpful log, or nothing, and the end of a sentence on why a job died.

    `log` is the end of the job's log, `ends` are those of its rules' logs.
    """
    state = _true_state(state, log, known)
    on = f" on {known.nodes}" if known.nodes and known.nodes != "None assigned" else ""
    if state != "FAILED":
        return "", f"{_of_state(state, on, known)} ({state})"
    last = {rule: text.rstrip().rpartition("\n")[2].strip() for rule, text in ends.items()}
    errors = {rule: line.removeprefix(PREFIX) for rule, line in last.items() if line.startswith(PREFIX)}
    for rule, error in errors.items():
        if not _CONSEQUENCE.search(error):
            return rule, f"failed{on}: {error}"
    if errors:
        silent = [rule for rule in ends if rule not in errors]
        killed = " and ".join(silent) or "one stage"
        return "".join(silent[:1]), f"failed{on}: {killed} was killed, or crashed without a word"
    if not ends and (never := _NEVER_BEGAN.findall(log)):
        return "", f"never began its work{on}: {never[-1]}"
    code, _, signal = known.exit_code.partition(":")
    how = f"signal {signal}" if signal.strip("0") else f"exit status {code}" if code else "no exit status is known"
    return next(iter(last), ""), f"failed{on} ({how})" + "".join(f"; {rule}: {line}" for rule, line in last.items())


def _of_state(state: str, on: str, known: Accounts) -> str:
    match state:
        case "TIMEOUT":
            minutes = parse_minutes(known.limit)
            return "reached its time limit" + (f" of {duration(minutes * 60)}" if minutes else "") + on
        case "OUT_OF_MEMORY":
            return f"ran out of{f' its {_memory(known.memory)} of' if known.memory else ''} memory{on}"
        case "CANCELLED":
            by = next((word.rpartition(" ")[2] for word in known.states if word.startswith("CANCELLED by ")), "")
            return "was cancelled" + (f" by {user_name(int(by))}" if by.isdigit() else "")
        case "NODE_FAIL":
            return f"lost its node{on}"
        case "PREEMPTED":
            return f"had to make room for another job{on}"
    return f"ended{on}"


def _true_state(state: str, log: str, known: Accounts) -> str:
    """Return the true state: SLURM often reports FAILED for a job with a killed step."""
    if state not in _VAGUE:
        return state
    of_steps = [word.split()[0] for word in known.states if word]
    signs = [each for each, sign in _SIGNS.items() if each in of_steps or sign.search(log)]
    if state == "FAILED" and signs == ["CANCELLED"]:  # as SLURM ends the rest of a failed job
        return state
    return signs[0] if signs else "FAILED" if state == "COMPLETED" else state


def _memory(requested: str) -> str:
    """Format `40960M` as `40 GB`; SLURM's units are binary."""
    parts = re.match(r"([\d.]+)([KMGT])", requested)
    if not parts:
        return requested
    gib = float(parts[1]) * {"K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}[parts[2]]
    return f"{gib:.3g} GB" if gib >= 1 else f"{gib * 1024:.3g} MB"


def shorter(path: Path | None) -> str:
    """Return a path relative to this folder if it is below it; else unchanged."""
    here = Path.cwd()
    return str(path.relative_to(here) if path is not None and path.is_relative_to(here) else path or "")
