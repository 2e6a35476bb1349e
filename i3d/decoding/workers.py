"""Worker processes that can be killed when a hostile video makes them hang, crash or use too much memory.

A worker is `python -P -m <module>`: a fresh interpreter, because a fork would share the decoders' threads and a spawn
would import Snakemake's main module again. Parent and child exchange small JSON messages through a socket, and large
data through anonymous shared memory, whose first page holds the child's progress counter and the number of threads it
may use. A killed worker leaves nothing behind. When the parent dies, the kernel kills its workers (on Linux), or they
find their socket closed.

Planning imports this module, so it must not import NumPy.
"""

import contextlib
import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar

from i3d.errors import UserError

Task = TypeVar("Task")

SHARED_HEADER_BYTES = mmap.PAGESIZE
PROGRESS, THREADS = 0, 1  # indices of the int64 counters in the header
PR_SET_PDEATHSIG = 1  # linux/prctl.h
REAP_SECONDS = 5.0
START_SECONDS = 120.0  # Python and its libraries may be on a slow network disk
TICK_SECONDS = 0.25  # interval of the watchdog


class Worker:
    """The parent's end of one child process.

    Parameters
    ----------
    module
        Run with `python -m`.
    memory_mb
        Limit of resident memory in MiB, watched by `fault`; the data segment has a higher hard limit.
    stall_seconds
        How long the child may go without progress.
    shared_bytes
        Size of the shared memory after the header.
    """

    def __init__(self, module: str, *, memory_mb: int, stall_seconds: float, shared_bytes: int = 0) -> None:
        self.memory_mb = memory_mb
        self._stall_seconds = stall_seconds
        self._stalled = 0.0
        self._seen_progress = 0
        ours, theirs = socket.socketpair()
        with theirs, _anonymous_file() as file:
            file.truncate(SHARED_HEADER_BYTES + shared_bytes)
            self.shared = mmap.mmap(file.fileno(), 0)
            numbers = (theirs.fileno(), file.fileno(), os.getpid(), memory_mb)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", module, *map(str, numbers)],  # -P: not from the working folder
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # 64 idle threads would count as memory
                    stdin=subprocess.DEVNULL,
                    stdout=2,  # the parent's standard output may be the frame stream
                    pass_fds=numbers[:2],
                    process_group=0,  # Ctrl-C must reach only the parent, which then kills its workers
                )
            except OSError as error:
                raise UserError(f"cannot start a process to decode with: {error.strerror}; use fewer threads") from None
        self._header = memoryview(self.shared)[:SHARED_HEADER_BYTES].cast("q")
        self.connection = Connection(ours.detach())

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; ignore a dead child, which `receive` reports."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(json.dumps(message).encode())
        self._stalled = 0.0

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; return None if the child has died."""
        try:
            return json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None

    def allow_threads(self, count: int) -> None:
        """Set how many threads the child may use from now on."""
        self._header[THREADS] = count

    def fault(self, waited: float) -> str | None:
        """Say why this worker must be killed; None if it need not be.

        `waited` is how many seconds the caller has waited for its workers since the last call. Time that the caller
        spent otherwise (on a slow reader of the stream) must not count against a worker that waits for it.
        """
        progress = self._header[PROGRESS]
        self._stalled = 0.0 if progress != self._seen_progress else self._stalled + waited
        self._seen_progress = progress
        limit = self._stall_seconds if progress else max(START_SECONDS, self._stall_seconds)
        if self._stalled > limit:
            return f"no frame for {limit:g} s" + (" (set by stall_seconds)" if limit == self._stall_seconds else "")
        if self.resident_mb() > self.memory_mb:
            return too_little_memory(self.memory_mb)
        return None

    def resident_mb(self) -> float:
        """Resident memory in MiB; 0 if the system does not report it."""
        try:
            pages = int(Path("/proc", str(self._process.pid), "statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * mmap.PAGESIZE / 2**20

    def epitaph(self) -> str:
        """Say how a dead child died."""
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return "the decoder hangs at its end"
        return f"the decoder was killed by {signal.Signals(-code).name}" if code < 0 else f"the decoder exited ({code})"

    def kill(self) -> None:
        """Kill the child."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # a child waiting for a dead disk dies when it responds
            self._process.wait(REAP_SECONDS)
        self.connection.close()

    @property
    def alive(self) -> bool:
        """Whether the child is running."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid


def too_little_memory(memory_mb: int) -> str:
    """Say that a video needs more memory than the setting allows."""
    return f"needs more than {memory_mb} MB of memory (set by decode_memory_mb)"


class Crew(Generic[Task]):
    """Workers and the task of each; a context manager that kills them all at its end. `hire` starts a worker."""

    def __init__(self, hire: Callable[[], Worker]) -> None:
        self._hire = hire
        self._idle: list[Worker] = []
        self.busy: dict[Worker, Task] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self.busy, *self._idle]:
            worker.kill()

    def give(self, task: Task, message: dict[str, Any]) -> None:
        """Give a task to an idle or a new worker by sending it the message."""
        self._idle = [worker for worker in self._idle if worker.alive]
        worker = self._idle.pop() if self._idle else self._hire()
        self.busy[worker] = task
        worker.send(message)

    def done(self, worker: Worker) -> None:
        """Mark a worker as idle, or kill it if it still uses half of its memory."""
        del self.busy[worker]
        if worker.resident_mb() > worker.memory_mb / 2:
            worker.kill()
        else:
            self._idle.append(worker)

    def events(self) -> Iterator[tuple[Worker, Task, dict[str, Any] | str]]:
        """Wait for a moment; yield the workers' messages, and the reason for each lost worker.

        A worker is lost, and killed, when it dies, makes no progress or needs too much memory.
        """
        began = time.monotonic()
        speakers = {worker.connection: worker for worker in self.busy}
        ready = wait(list(speakers), TICK_SECONDS)
        waited = time.monotonic() - began
        for connection in ready:
            worker = speakers[connection]  # type: ignore[index]
            message = worker.receive()
            yield (worker, self.busy[worker], message) if message is not None else self._lose(worker, worker.epitaph())
        for worker in list(self.busy):
            if fault := worker.fault(waited):
                yield self._lose(worker, fault)

    def _lose(self, worker: Worker, reason: str) -> tuple[Worker, Task, str]:
        worker.kill()
        return worker, self.busy.pop(worker), reason


def ask_each(
    module: str, jobs: Iterable[tuple[Task, dict[str, Any]]], *, processes: int, memory_mb: int, stall_seconds: float
) -> Iterator[tuple[Task, dict[str, Any] | None]]:
    """Send each job's message to one of several workers; yield the tasks with their answers as they arrive.

    The answer is None if the worker died of it or took longer than `stall_seconds`.
    """
    waiting = iter(jobs)
    with Crew[Task](partial(Worker, module, memory_mb=memory_mb, stall_seconds=stall_seconds)) as crew:
        while True:
            for task, message in islice(waiting, processes - len(crew.busy)):
                crew.give(task, message)
            if not crew.busy:
                return
            for worker, task, event in crew.events():
                if isinstance(event, str):
                    yield task, None
                else:
                    crew.done(worker)
                    yield task, event


class Channel:
    """The child's end, made from its command-line arguments."""

    def __init__(self, arguments: Sequence[str]) -> None:
        connection, memory, parent, memory_mb = map(int, arguments)
        _die_with(parent)
        # In case of a leap between two looks of the parent. The limit counts reserved memory too, hence the factor.
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory_mb << 20, 2 * memory_mb << 20))
        self.memory_mb = memory_mb
        self._connection = Connection(connection)
        self.shared = mmap.mmap(memory, 0)
        self._header = memoryview(self.shared)[:SHARED_HEADER_BYTES].cast("q")
        self.progress()  # to report that the child has started

    def receive(self) -> dict[str, Any]:
        """Wait for the parent's next message; exit if the parent is gone."""
        try:
            return json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    def send(self, message: dict[str, Any]) -> None:
        """Send the parent a message; exit if the parent is gone."""
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def progress(self) -> None:
        """Report progress to the watchdog."""
        self._header[PROGRESS] += 1

    @property
    def threads(self) -> int:
        """How many threads the parent allows now."""
        return self._header[THREADS]


def _anonymous_file() -> BinaryIO:
    """Open a file in memory, or, on systems without, a nameless one on disk."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("frames"), "r+b")
    return tempfile.TemporaryFile()


def _die_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent has died already
        os._exit(0)
