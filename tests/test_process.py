"""How the main process takes the signals that stop a run."""

import signal
import subprocess
import sys

import pytest

from tests.support.processes import hear_ctrl_c

# Signals that come while the main thread holds the lock that the handler takes, as Snakemake's does.
PROGRAM = """
import os, signal, threading
from i3d import process

lock, handled = threading.Lock(), threading.Event()

def handler(number, frame):
    with lock:
        print("handled")
    handled.set()

BEFORE
process.take_stop_signals()
with lock:
    os.kill(os.getpid(), signal.NUMBER)
    print("still busy", process.was_stopped())
handled.wait()
"""
HANDLER = "signal.signal(signal.SIGTERM, handler)"

INTERRUPTED = """
import os, signal
from i3d import process

signal.signal(signal.SIGTERM, print)
process.take_stop_signals()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("first")
os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGINT)
print("tidied up", process.was_stopped())
"""


def run(program: str, **replaced: str) -> subprocess.CompletedProcess[str]:
    for name, text in replaced.items():
        program = program.replace(name, text)
    command = [sys.executable, "-u", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=hear_ctrl_c)


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_the_handler_waits_for_the_lock_and_the_main_thread_goes_on(number):
    ended = run(PROGRAM, BEFORE=HANDLER, NUMBER=number)
    assert ended.stdout.splitlines() == ["still busy True", "handled"], ended.stderr


def test_nohup_stays_in_force():
    ignored = f"{HANDLER}; signal.signal(signal.SIGHUP, signal.SIG_IGN); handled.set()"
    ended = run(PROGRAM, BEFORE=ignored, NUMBER="SIGHUP")
    assert ended.stdout.splitlines() == ["still busy False"], ended.stderr


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_signal_without_a_handler_keeps_its_meaning(number):
    assert run(PROGRAM, BEFORE="", NUMBER=number).returncode == -getattr(signal, number)


def test_ctrl_c_counts_once():
    ended = run(INTERRUPTED)
    assert ended.stdout.splitlines() == ["first", "tidied up True"], ended.stderr
