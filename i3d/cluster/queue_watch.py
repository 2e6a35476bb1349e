"""Why jobs wait: polls SLURM's queue, and notes the reasons beside the run's progress."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from i3d.cluster.slurm import ask
from i3d.errors import UserError
from i3d.files import write_atomically

LONGEST_PAUSE = 600.0  # seconds; each query costs SLURM something
WORDS = {
    "Priority": "for their turn",
    "Resources": "for a free GPU",
    "BeginTime": "for their time to begin",
    "JobHeldUser": "held by you",
    "JobHeldAdmin": "held by an administrator",
    "None": "to be looked at",
}
USUAL = {"Priority", "Resources", "BeginTime", "None", "Cleaning", "Prolog"}  # reasons that need no message


class QueueWatch:
    """Watches the jobs of one name until stopped, and writes why they wait to the file `notes`, if there is one.

    `say` is called with a sentence for each unusual reason.
    """

    def __init__(self, name: str, notes: Path | None, say: Callable[[str], None], pause: float) -> None:
        self._name, self._notes, self._say, self._pause = name, notes, say, pause
        self._said: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="queue", daemon=True)

    def start(self) -> None:
        """Start watching, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def look(self) -> int:
        """Query the queue once, and return how many jobs wait."""
        query = ("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i|%r", f"--name={self._name}")
        rows = [line.strip().partition("|") for line in ask(*query, seconds=30).splitlines()]
        reasons = Counter(reason.strip("()").partition(",")[0] for _, _, reason in rows)
        if self._notes is not None and self._notes.parent.is_dir():  # the end of the run removes it
            write_atomically(self._notes, waiting_text(reasons))
        for reason in reasons.keys() - USUAL - self._said:
            self._said.add(reason)
            numbers = [number for number, _, each in rows if each.strip("()").startswith(reason)]
            self._say(held_text(reason, numbers))
        return len(rows)

    def _watch(self) -> None:
        pause = self._pause
        while not self._stopping.wait(pause):
            try:
                waiting = self.look()
            except (UserError, OSError):
                waiting = 0
            pause = self._pause if waiting else min(2 * pause, LONGEST_PAUSE)


def waiting_text(reasons: Counter[str]) -> str:
    """Return how many jobs wait for what, such as `3 for a free GPU, 1 held by you`."""
    return ", ".join(f"{number:,} {WORDS.get(reason, reason)}" for reason, number in reasons.most_common())


def held_text(reason: str, numbers: list[str]) -> str:
    """Return a warning about a reason that will not pass by itself, or not soon, with the jobs that wait for it."""
    which = f"job {numbers[0]}" + (f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else "")
    if reason.startswith("JobHeld"):
        by = "an administrator" if reason == "JobHeldAdmin" else "a user"
        return f"warning: {which} waits because {by} holds it ({reason}); `scontrol release {numbers[0]}` lets it go"
    if "Limit" in reason or "Max" in reason:
        return f"warning: {which} waits for a limit of your account or of the cluster ({reason})"
    return f"warning: {which} waits: {reason}"
