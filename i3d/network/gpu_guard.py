"""Refuse precisions that this GPU's software may compute wrongly.

Some releases of cuDNN compute 3-D convolutions on tensor cores wrongly or not at all: half precision from 9.8 to 9.14
(pytorch issues 163539, 166480), TF32 from 9.10.2 to 9.15 (pytorch issue 167024). Plain fp32 is not affected.
"""

from collections.abc import Collection

import torch

from i3d import commands
from i3d.errors import UserError
from i3d.specs import PRECISIONS

DOUBTFUL = range(90800, 91600)  # cuDNN 9.8 to 9.15, as torch.backends.cudnn.version() counts


def check_precision(device: str, precision: str, cudnn: int | None, passed: Collection[str] | None) -> None:
    """Raise UserError if features of this precision cannot be trusted on this device.

    `device` is torch's device type, `cudnn` the result of `torch.backends.cudnn.version()`, and `passed` the precisions
    that passed the self-check on this machine, or None if it has not run.
    """
    if device != "cuda" or not PRECISIONS[precision].tensor_cores:
        return
    if passed is not None:
        if precision not in passed:
            raise UserError(
                f"precision: {precision} did not pass the self-check on this GPU; set one of "
                f"{', '.join(sorted({*passed, 'fp32'}))}"
            )
    elif cudnn is not None and cudnn in DOUBTFUL:
        raise UserError(
            f"precision: cuDNN {version_text(cudnn)} is known to give wrong {precision} convolutions on some GPUs; "
            f"run {commands.snakemake('selfcheck', cores='all')} on this one first, or set 'precision: fp32'"
        )


def version_text(cudnn: int) -> str:
    """Spell cuDNN's version number as cuDNN does: 91301 is 9.13.1, and 8907 (before version 9) is 8.9.7."""
    major, rest = divmod(cudnn, 10000) if cudnn >= 90000 else divmod(cudnn, 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def gpu_versions(device: torch.device) -> dict[str, str]:
    """Versions that determine the numbers on a GPU, as the tables record them; empty for a CPU."""
    cudnn = torch.backends.cudnn.version()
    if device.type != "cuda" or cudnn is None:
        return {}
    return {"cuda": str(torch.version.cuda), "cudnn": version_text(cudnn)}
