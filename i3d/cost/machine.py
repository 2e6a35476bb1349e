"""The machine's devices and their names, found without torch, the same for planning and the self-check."""

import os
import platform
import re
from contextlib import suppress
from pathlib import Path

from i3d.cost.gpu_request import parse_gres

PROC = Path("/proc")
# Instruction sets with oneDNN kernels, by their names in /proc/cpuinfo; the last of a kind counts.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "asimd", "sve")


def device_name(gres: str, device: str, proc: Path = PROC) -> str:
    """Return the device's name in calibrations: a SLURM job's GPU, such as `a100_4g.20gb`, or this machine's processor.

    `gres` is the job's request, such as `gpu:a100_4g.20gb:1`, empty without SLURM; `device` is the setting.
    """
    if request := parse_gres(gres):
        return f"a CPU of a job for {request.device}" if device == "cpu" else request.device
    return (gpu_model(proc) if device != "cpu" else None) or cpu_model(proc)


def on_gpu(gres: str, device: str, proc: Path = PROC) -> bool:
    """Whether a GPU will probably be used; torch is not asked. `gres` and `device` are as for `device_name`."""
    return device != "cpu" and bool(parse_gres(gres) or gpu_model(proc))


def cpu_model(proc: Path = PROC) -> str:
    """Return the processor's name, such as `AMD EPYC 9654`."""
    return _line(proc / "cpuinfo", "model name") or platform.processor() or platform.machine()


def gpu_model(proc: Path = PROC) -> str | None:
    """Return the first NVIDIA GPU's name by its driver, such as `NVIDIA A100-SXM4-40GB`; None without one."""
    for path in sorted(proc.glob("driver/nvidia/gpus/*/information")):
        return _line(path, "Model")
    return None


def driver_version(proc: Path = PROC) -> str | None:
    """Return the NVIDIA driver's version, such as `535.104.05`; None without one."""
    line = _line(proc / "driver/nvidia/version", "NVRM version") or ""
    return next((word for word in line.split() if re.fullmatch(r"\d+\.\d[\d.]*", word)), None)


def instruction_sets(proc: Path = PROC) -> list[str]:
    """Return those of INSTRUCTIONS that the processor has."""
    flags = (_line(proc / "cpuinfo", "flags") or _line(proc / "cpuinfo", "Features") or "").split()
    return [name for name in INSTRUCTIONS if name in flags]


def cpu_count() -> int:
    """Return the number of CPUs that this process may use, in a job its share of the node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _line(path: Path, name: str) -> str | None:
    """Return what follows `name` and a colon in the file's first such line, with single spaces."""
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            key, colon, value = line.partition(":")
            if colon and key.strip() == name:
                return " ".join(value.split())
    return None
