"""Snakemake in a process that was forked with it loaded: loading it takes longer than most runs of the tests."""

import atexit
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.loaded"])


class ForkedSnakemake:
    """`python -m snakemake`, in a session of its own; has what is used of `subprocess.Popen`.

    It ends with the test run, whatever ends that. `before` is called in it before Snakemake begins.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        output: Path,
        environment: dict[str, str],
        before: Callable[[], None] | None = None,
    ) -> None:
        self._process = _context.Process(target=_main, args=(arguments, folder, output, environment, before))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("snakemake", timeout)
        return self._process.exitcode


def _main(
    arguments: list[str],
    folder: Path,
    output: Path,
    environment: dict[str, str],
    before: Callable[[], None] | None,
) -> None:
    """Become what `python -m snakemake` in a terminal of that folder is."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)  # which is the fork server, and ends with pytest
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with output.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from snakemake import cli

    sys.path.insert(0, str(folder))
    if before is not None:
        before()
    sys.argv = [cli.__file__.replace("cli.py", "__main__.py"), *arguments]
    try:
        cli.main()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # which a child of multiprocessing leaves out
        sys.stdout.flush()
