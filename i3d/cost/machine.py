"""The machine's names and processors, without torch, so that planning and the self-check call it the same."""

import os
import platform
import re
from pathlib import Path

from i3d.cost.gpu_request import parse_gres

PROC = Path("/proc")
# Instruction sets that oneDNN has kernels for, by their names in /proc/cpuinfo; the last of a kind counts.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "asimd", "sve")


def device_name(gres: str, device: str, proc: Path = PROC) -> str:
    """What a calibration is filed under: a SLURM job's GPU, such as `a100_4g.20gb`, or this machine's processor.

    `gres` is the job's request, such as `gpu:a100_4g.20gb:1`, empty without SLURM; `device` is the setting.
    """
    if request := parse_gres(gres):
        return f"a CPU of a job for {request.device}" if device == "cpu" else request.device
    return (gpu_model(proc) if device != "cpu" else None) or cpu_model(proc)


def on_gpu(gres: str, device: str, proc: Path = PROC) -> bool:
    """Whether a GPU will compute, as far as can be told without torch; `gres` and `device` as for `device_name`."""
    return device != "cpu" and bool(parse_gres(gres) or gpu_model(proc))


def cpu_model(proc: Path = PROC) -> str:
    """The processor's name, such as `AMD EPYC 9654`."""
    return _line(proc / "cpuinfo", "model name") or platform.processor() or platform.machine()


def gpu_model(proc: Path = PROC) -> str | None:
    """The first NVIDIA GPU's name as its driver tells it, such as `NVIDIA A100-SXM4-40GB`; None without one."""
    for path in sorted(proc.glob("driver/nvidia/gpus/*/information")):
        return _line(path, "Model")
    return None


def driver_version(proc: Path = PROC) -> str | None:
    """The NVIDIA driver's version, such as `535.104.05`; None without one."""
    line = _line(proc / "driver/nvidia/version", "NVRM version") or ""
    return next((word for word in line.split() if re.fullmatch(r"\d+\.\d[\d.]*", word)), None)


def instruction_sets(proc: Path = PROC) -> list[str]:
    """Which of INSTRUCTIONS the processor has."""
    flags = (_line(proc / "cpuinfo", "flags") or _line(proc / "cpuinfo", "Features") or "").split()
    return [name for name in INSTRUCTIONS if name in flags]


def cpu_count() -> int:
    """CPUs that this process may use: a job's share of the node, not the node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _line(path: Path, name: str) -> str | None:
    """What follows `name` and a colon in the file's first such line, its spaces made single."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return " ".join(value.split())
    return None
