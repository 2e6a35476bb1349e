"""A signal that comes while the main thread holds the lock that the signal's handler takes."""

import subprocess
import sys

PROGRAM = """
import os, signal, threading
from i3d.cluster.snakemake_internals import handle_in_thread

lock, handled = threading.Lock(), threading.Event()

def handler(number, frame):
    with lock:
        print("handled", signal.Signals(number).name)
    handled.set()

signal.signal(signal.SIGTERM, handler)
handle_in_thread(signal.SIGTERM)
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    print("still busy")
handled.wait()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-u", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_its_handler_waits_for_the_lock_and_the_main_thread_goes_on():
    assert run(PROGRAM).stdout.splitlines() == ["still busy", "handled SIGTERM"]


def test_a_signal_without_a_handler_keeps_its_meaning():
    program = PROGRAM.replace("signal.signal(signal.SIGTERM, handler)", "")
    assert run(program).returncode == -15
