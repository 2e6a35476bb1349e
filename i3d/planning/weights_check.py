"""Checks of models and weights in separate processes, because planning does without torch."""

import subprocess
import sys
from pathlib import Path

import msgspec

from i3d import commands
from i3d.backbones.timm_image import TimmImage
from i3d.digests import file_sha256
from i3d.errors import PREFIX, UserError
from i3d.paths import workflow_folder
from i3d.settings import RANDOM

SCRIPTS = workflow_folder("scripts")
CHECK, DESCRIBE = SCRIPTS / "check_weights.py", SCRIPTS / "describe_model.py"


def weights_digest(weights: str) -> str:
    """Return the SHA-256 of the weights file, or `random` for seeded weights. Raises UserError for a missing file."""
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
    done = subprocess.run([sys.executable, CHECK, weights, "--model", model], capture_output=True, text=True)
    if done.returncode < 0:
        raise UserError(f"weights: {weights} takes too much memory or time to check; get the published file again")
    if done.returncode:
        raise UserError(_last_words(done.stderr) or f"weights: {weights} cannot be checked")


def described(model: str) -> TimmImage:
    """Return timm's description of the tower `timm:NAME`. Raises UserError if there is none, or no timm."""
    done = subprocess.run([sys.executable, DESCRIBE, model], capture_output=True, text=True)
    try:
        return msgspec.json.decode(done.stdout, type=TimmImage)
    except msgspec.MsgspecError:
        raise UserError(_last_words(done.stderr) or f"config: the model {model} cannot be looked up") from None


def _last_words(stderr: str) -> str:
    return stderr.strip().rpartition("\n")[2].removeprefix(PREFIX)
