"""The kit for a visit to a GPU, small and on the CPU, so that it stays in step with the code."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

VISIT = ROOT / "bench/gpu_visit"


def visit(tmp_path, *command):
    folders = {name: str(tmp_path / name.lower()) for name in ("OUT", "WORK", "SITE", "CLIPS")}
    environment = os.environ | folders | {"DEVICE": "cpu", "REDUCED": "1", "PYTHON": sys.executable}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("stage", "found"),
    [
        ("tries", r"= try first: [\d.]+ ms against [\d.]+ ms, error [\de.-]+-0[678]\n"),
        ("numbers", r"= i3d_r50 fp32: right, error"),
        ("pipe", r"= pipe 320x240 without a network: [\d,]+ frames/s"),
    ],
)
def test_a_stage_runs(tmp_path, stage, found):
    run = visit(tmp_path, sys.executable, "-m", "bench.gpu_visit", stage)
    assert run.returncode == 0, run.stderr
    assert re.search(found, run.stdout), run.stdout
    assert "RAISES" not in run.stdout and "WRONG" not in run.stdout


def test_the_script_runs_stages_and_sums_up(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGES", "facts nonsense")
    run = visit(tmp_path, "bash", str(VISIT / "visit.sh"))
    assert run.returncode == 1
    assert re.search(
        r"s facts: done in \d+ s\n.*s nonsense: FAILED \(1\): no such stage; there are facts, ", run.stdout
    )
    assert re.search(r"^= torch \d", run.stdout, re.M), run.stdout
