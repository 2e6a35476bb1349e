"""Timing, starting the scripts, and tables in Markdown: what all measurements share."""

import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
PACKAGES = ("torch", "numpy", "pillow", "llvmlite", "decord", "av")

Row = tuple[str, ...]  # a table's cells


def seconds_of(action: Callable[[], object]) -> float:
    """Seconds of wall time that `action` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def cpu_seconds_of(action: Callable[[], object]) -> float:
    """Seconds of CPU time that `action` takes, in this process and its finished children."""
    began = _cpu_seconds()
    action()
    return _cpu_seconds() - began


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def median(action: Callable[[], object], repeats: int) -> float:
    """Median seconds of `action`, after one run that does not count."""
    action()
    return statistics.median(seconds_of(action) for _ in range(repeats))


def in_turn(
    actions: Mapping[str, Callable[[], object]],
    repeats: int,
    measure: Callable[[Callable[[], object]], float] = seconds_of,
) -> dict[str, float]:
    """Median measure of each action, all run in turn so that drift of the machine meets all alike."""
    rounds = [{label: measure(action) for label, action in actions.items()} for _ in range(repeats)]
    return {label: statistics.median(times[label] for times in rounds) for label in actions}


def start(script: str, *arguments: str) -> subprocess.Popen:
    """Start one of the scripts."""
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    environment = os.environ | ({"OMP_WAIT_POLICY": "PASSIVE"} if script == "extract.py" else {})  # as its rule does
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen) -> None:
    """Wait for a script. Raises RuntimeError with what it said if it failed."""
    _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(said)


def row(label: str, seconds: float, count: int, unit: str, note: str = "") -> Row:
    """A table row: a label, seconds, what that makes a second, a note."""
    return label, f"{seconds:.2f}", f"{count / seconds:,.1f} {unit}/s", note


def table(title: str, head: Row, rows: Iterable[Row], threads: int) -> list[str]:
    """A Markdown table under a heading, with date and machine; each row is also shown as soon as it is measured."""
    packages = " ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        *(f"## {title}", ""),
        *(f"{date.today()}, {device_name()}, {threads} threads, {platform.system()}, {packages}", ""),
        *("| " + " | ".join(head) + " |", "|---" * len(head) + "|"),
    ]
    for cells in rows:
        print(*cells, sep="  ", file=sys.stderr)
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def device_name() -> str:
    """What computes: the GPU, where there is one, and the processor."""
    import torch  # takes seconds

    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return ", ".join([*gpu, names[0] if names else platform.processor()])


def with_sections(text: str, sections: Iterable[list[str]]) -> str:
    """A file's text with these tables, each in the place of one with its heading or at the end."""
    for lines in sections:
        new = "\n".join(lines) + "\n"
        old = re.search(rf"^{re.escape(lines[0])}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        text = text.replace(old.group(), new) if old else f"{text.rstrip()}\n\n{new}"
    return text.rstrip() + "\n"
