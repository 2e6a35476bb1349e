"""Facts about the machine: device, driver, libraries, processor and versions."""

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import torch

from i3d.cost import machine
from i3d.cost.calibration import Key
from i3d.cost.speeds import SAME_WORK
from i3d.network.gpu_guard import gpu_versions
from i3d.settings import NumericSettings

PACKAGES = ("torch", "torchvision", "numpy", "llvmlite", "pillow", "av", "decord")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def hardware_name(device: torch.device) -> str:
    """The GPU's name as torch has it, with its slice if it is one; the processor's for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else machine.cpu_model()


def cudnn_version(device: torch.device) -> str | None:
    """cuDNN's version, such as `9.13.1`; None where a CPU computes."""
    return gpu_versions(device).get("cudnn")


def job_key(device: torch.device, settings: NumericSettings) -> Key:
    """Return the key of an extract job's calibration; `settings` are its bundle's."""
    return Key(
        device=hardware_name(device),
        torch=version("torch"),
        cudnn=cudnn_version(device),
        **{name: getattr(settings, name) for name in SAME_WORK},
    )


def gather(device: torch.device) -> dict[str, str]:
    """All there is to know, in the order of printing."""
    from i3d.decoding.resize import why_pillow  # which an extract job has no need of

    facts = {"device": hardware_name(device)}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "memory": f"{properties.total_memory / 2**30:.1f} GiB, {properties.multi_processor_count} multiprocessors",
            "driver": machine.driver_version() or "unknown",
            "CUDA": str(torch.version.cuda),
            "cuDNN": cudnn_version(device) or "none",
        }
    elif torch.backends.mkldnn.is_available():
        facts["oneDNN"] = f"{_onednn_version()}, for {torch.backends.cpu.get_cpu_capability()}"
    else:
        facts["oneDNN"] = "none: torch was built without it, which costs most of the speed"
    sets = " ".join(machine.instruction_sets()) or "none that speeds this up"
    return facts | {
        "processor": f"{machine.cpu_model()}, {machine.cpu_count()} of {os.cpu_count()} CPUs",
        "instructions": sets,
        "resize": f"by Pillow ({why})" if (why := why_pillow()) else "by vector instructions",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {number}" for name, number in installed_versions(PACKAGES).items()),
    }


def _onednn_version() -> str:
    """oneDNN's version, which torch tells only within a text about its build."""
    for line in torch.__config__.show().splitlines():
        if "MKL-DNN" in line:
            return next((word for word in line.split() if word.startswith("v")), "of unknown version").lstrip("v")
    return "of unknown version"
