"""scripts/extract.py in processes that were forked with torch loaded: to load it takes longer than the tests' networks.

`folder()` holds a `python` to put first in PATH: it has a server of this module run that program, and is the
environment's Python for all else.
"""

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PYTHON = """#!{python} -IS
import json, os, signal, socket, sys
if len(sys.argv) < 2 or not sys.argv[1].endswith("scripts/extract.py"):
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: server.send(bytes([number])))
request = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
sys.exit((server.recv(1) or b"\\1")[0])
"""


@cache
def folder() -> Path:
    """Start the server; it ends with this process."""
    place = Path(tempfile.mkdtemp())
    address, python = str(place / "server"), place / "python"
    python.write_text(PYTHON.format(python=sys.executable, address=address))
    python.chmod(0o755)
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, address], cwd=ROOT, env=environment, stdin=subprocess.PIPE
    )
    atexit.register(server.kill)
    while not Path(address).exists():
        assert server.poll() is None, "the server of torch did not start"
        threading.Event().wait(0.01)
    return place


def serve(address: str) -> None:
    """Fork a process for each that asks."""
    import torch  # noqa: F401

    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            attend(client)
        client.close()


def attend(client: socket.socket) -> None:
    """Run the program in a child, pass signals on to it, and answer with its exit status."""
    size, descriptors, _, _ = socket.recv_fds(client, 8, 3)
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += client.recv(1 << 20)
    if (child := os.fork()) == 0:
        become(descriptors, *json.loads(request))

    def listen() -> None:
        while number := client.recv(1):
            os.kill(child, number[0])
        os.kill(child, signal.SIGKILL)  # the one that asked is gone

    threading.Thread(target=listen, daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client.send(bytes([status if status >= 0 else 128 - status]))
    os._exit(0)


def become(descriptors: list[int], place: str, environment: dict[str, str], arguments: list[str]) -> None:
    """Be what `python`, with these arguments, is."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
