"""How programs end that a user can mend, or has stopped."""

import socket
import subprocess
import sys

import pytest

PROGRAM = """
from i3d.errors import UserError, run_main

def main():
    raise {error}

run_main(main)
"""


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        ("UserError('x.mp4: damaged')", 1, b"error: x.mp4: damaged\n"),
        ("KeyboardInterrupt", 130, b"stopped by Ctrl-C\n"),
    ],
)
def test_the_end_is_one_line_in_one_write(error, status, told):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps writes apart
    with ours, theirs:
        ended = subprocess.run([sys.executable, "-c", PROGRAM.format(error=error)], stderr=theirs, check=False)
        ours.setblocking(False)
        assert ours.recv(1 << 16) == told
        with pytest.raises(BlockingIOError):
            ours.recv(1 << 16)
    assert ended.returncode == status


def test_a_job_ends_in_order_without_an_output():
    program = PROGRAM.replace("raise {error}", "pass").replace("run_main", "run_main_and_leave")
    ended = subprocess.run(["bash", "-c", f'{sys.executable} -c "$0" >&-', program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
