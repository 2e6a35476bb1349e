"""Whether the weights are fit for the network, asked before any video is decoded and once per content."""

import subprocess
import sys
from pathlib import Path

from i3d import commands
from i3d.digests import file_sha256
from i3d.errors import PREFIX, UserError
from i3d.settings import RANDOM

PROGRAM = (
    Path(__file__).parents[2] / "scripts" / "check_weights.py"
)  # a process of its own: planning does without torch


def weights_digest(weights: str) -> str:
    """SHA-256 of the weights file; `random` for seeded weights. Raises UserError if there is no such file."""
    if weights == RANDOM:
        return RANDOM
    try:
        return file_sha256(Path(weights))
    except OSError as error:
        raise UserError(
            f"weights: cannot read {weights} ({error.strerror}); fetch the published weights with "
            f"{commands.snakemake('weights')} where there is a network, set 'weights' to your file, or try 'random'"
        ) from None


def check_weights(weights: str, model: str) -> None:
    """Raise UserError, saying why, if the file does not hold finite weights for the model."""
    done = subprocess.run([sys.executable, PROGRAM, weights, "--model", model], capture_output=True, text=True)
    if done.returncode < 0:
        raise UserError(f"weights: {weights} takes more memory or time than weights can; get the published file again")
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise UserError(said.removeprefix(PREFIX) or f"weights: {weights} cannot be checked")
