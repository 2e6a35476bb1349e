"""The check of weights before a run, as planning calls it."""

import subprocess
import sys

import pytest
import torch

from i3d.backbones import backbone
from tests.support.paths import SCRIPTS


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "check_weights.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "i3d.pth"
    torch.save(backbone("i3d_r50").random_weights(), path)
    return path


def test_good_weights_pass(weights):
    done = check(weights)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_weights_of_another_model_end_in_one_line(weights):
    done = check(weights, "--model", "i3d_r50_nl")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: weights: {weights} does not fit the model (missing: layer2.1.nl.")
    assert "set `model: i3d_r50`" in line


def test_memory_is_limited(tmp_path):
    class Asks:
        def __reduce__(self):
            return bytearray, (1 << 33,)

    torch.save({"conv1.weight": Asks()}, tmp_path / "hostile.pth")
    done = check(tmp_path / "hostile.pth")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path / 'hostile.pth'} is not a readable PyTorch file (MemoryError)" in line
