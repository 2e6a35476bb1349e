"""Child processes that may hang, eat memory or crash on a hostile video, and be killed for it.

A worker is `python -P -m <module>`: a fresh interpreter, because a fork would share the decoders' threads and a spawn
would import Snakemake's main module again. Parent and child exchange small JSON messages through a socket and large
data through anonymous shared memory, whose first page holds the child's progress counter and the number of threads it
may use. A killed worker leaves nothing behind, and one whose parent dies is killed by the kernel (on Linux) or finds
its socket closed.

This module stays light (no NumPy): planning imports it.
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
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar

from i3d.errors import UserError

Task = TypeVar("Task")

SHARED_HEADER_BYTES = mmap.PAGESIZE
PROGRESS, THREADS = 0, 1  # places of the int64 counters in the header
PR_SET_PDEATHSIG = 1  # linux/prctl.h
REAP_SECONDS = 5.0
START_SECONDS = 120.0  # Python and its libraries may come from a slow network disk
TICK_SECONDS = 0.25  # how often the watchdog looks


class Worker:
    """The parent's end of one child process.

    `module` is run with `python -m`, `memory_mb` bounds its resident memory (`fault` watches it, with a hard limit on
    its data segment behind), `stall_seconds` is how long it may go without progress, `shared_bytes` is the size of
    the shared memory after the header.
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
                    stdout=2,  # our standard output may be the frame stream
                    pass_fds=numbers[:2],
                    process_group=0,  # Ctrl-C is for the parent, which then kills its workers
                )
            except OSError as error:
                raise UserError(f"cannot start a process to decode with: {error.strerror}; use fewer threads") from None
        self._header = memoryview(self.shared)[:SHARED_HEADER_BYTES].cast("q")
        self.connection = Connection(ours.detach())

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. That the child has died is no error here: `receive` tells."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(json.dumps(message).encode())
        self._stalled = 0.0

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None when the child has died."""
        try:
            return json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None

    def allow_threads(self, count: int) -> None:
        """Let the child use so many threads from now on."""
        self._header[THREADS] = count

    def fault(self, waited: float) -> str | None:
        """Why this worker must be killed, if it must.

        `waited` is how many seconds the caller has waited for its workers since it asked last: time in which the caller
        did something else (a slow reader of the stream) must not count against a worker that waits for it.
        """
        progress = self._header[PROGRESS]
        self._stalled = 0.0 if progress != self._seen_progress else self._stalled + waited
        self._seen_progress = progress
        limit = self._stall_seconds if progress else max(START_SECONDS, self._stall_seconds)
        if self._stalled > limit:
            return f"no frame for {limit:g} s"
        if self.resident_mb() > self.memory_mb:
            return f"needs more than {self.memory_mb} MB of memory"
        return None

    def resident_mb(self) -> float:
        """Resident memory in MB (2**20 bytes), 0 where the system does not say."""
        try:
            pages = int(Path("/proc", str(self._process.pid), "statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * mmap.PAGESIZE / 2**20

    def epitaph(self) -> str:
        """How a dead child died."""
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return "the decoder hangs at its end"
        return f"the decoder was killed by {signal.Signals(-code).name}" if code < 0 else f"the decoder exited ({code})"

    def kill(self) -> None:
        """End the child at once, whatever it does."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that waits for a dead disk ends when that answers
            self._process.wait(REAP_SECONDS)
        self.connection.close()

    @property
    def alive(self) -> bool:
        """Whether the child has not ended yet."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid


class Crew(Generic[Task]):
    """Workers with the task that each is at; a context manager that leaves no worker behind."""

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
        """Put a worker, a new one if none is idle, to a task by sending it the message."""
        idle = [worker for worker in self._idle if worker.alive]
        worker = idle.pop() if idle else self._hire()
        self._idle = idle
        self.busy[worker] = task
        worker.send(message)

    def done(self, worker: Worker) -> None:
        """The worker has finished its task; one that kept half of its memory is let go."""
        del self.busy[worker]
        if worker.resident_mb() > worker.memory_mb / 2:
            worker.kill()
        else:
            self._idle.append(worker)

    def events(self) -> Iterator[tuple[Worker, Task, dict[str, Any] | str]]:
        """Wait for a moment; yield what workers say, and of each that was lost the reason (it is gone by then).

        A worker is lost when it dies, makes no progress or needs too much memory.
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
    """Send each job's message to one of several workers, and yield tasks with their answers as these come.

    None is the answer of a worker that died of it, or worked longer than `stall_seconds`.
    """
    waiting = iter(jobs)
    with Crew[Task](lambda: Worker(module, memory_mb=memory_mb, stall_seconds=stall_seconds)) as crew:
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
    """The child's end: made from the arguments that `Worker` started it with."""

    def __init__(self, arguments: Sequence[str]) -> None:
        connection, memory, parent, memory_mb = map(int, arguments)
        _die_with(parent)
        # Behind the parent's watch, against a leap between two looks: counts reserved memory too, hence the factor.
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory_mb << 20, 2 * memory_mb << 20))
        self.memory_mb = memory_mb
        self._connection = Connection(connection)
        self.shared = mmap.mmap(memory, 0)
        self._header = memoryview(self.shared)[:SHARED_HEADER_BYTES].cast("q")
        self.progress()  # started

    def receive(self) -> dict[str, Any]:
        """The parent's next message; ends the process when there is no parent any more."""
        try:
            return json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    def send(self, message: dict[str, Any]) -> None:
        """Send the parent a message; ends the process when there is no parent any more."""
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def progress(self) -> None:
        """Tell the watchdog that work goes on."""
        self._header[PROGRESS] += 1

    @property
    def threads(self) -> int:
        """How many threads the parent allows just now."""
        return self._header[THREADS]


def _anonymous_file() -> BinaryIO:
    """A file in memory, or, where the system has none, a nameless one on disk."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("frames"), "r+b")
    return tempfile.TemporaryFile()


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)
