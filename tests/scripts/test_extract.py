"""The program by hand, on one video."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch

from i3d.backbones.i3d_r50 import fused_cpu
from i3d.errors import run_main
from scripts import extract
from scripts.make_demo_videos import write_clip
from tests.support.paths import SCRIPTS


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("by_hand")
    write_clip(folder / "x.mp4", 17, speed=3)
    run("decode.py", folder / "x.mp4", "--output", folder / "x.frames")
    return folder / "x.frames"


def test_each_call_extracts_anew(frames, tmp_path):
    features = {}
    for normalization in ("inception", "kinetics"):
        options = ["--sample-mode", "center_crop", "--normalization", normalization]
        done = run("extract.py", "--frames", frames, "--weights", "random", "--feature", tmp_path / "x.npy", *options)
        assert done.returncode == 0, done.stderr
        assert "x.frames: ok: 1 snippets" in done.stderr
        features[normalization] = np.load(tmp_path / "x.npy")
        assert features[normalization].shape == (1, 1, 2048)
        assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert not np.allclose(features["inception"], features["kinetics"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--frames": "missing.frames"}, "missing.frames: cannot read the frames (No such file or directory)"),
        ({"--frames": os.devnull}, "the frame stream ends early: decode did not finish; decode anew"),
        ({"--weights": "missing.pth"}, "weights: cannot read missing.pth (No such file or directory); fetch"),
        (
            {"--model": "i3d_r51"},
            "invalid value 'i3d_r51' of 'model'; did you mean 'i3d_r50'? There are",
        ),
        ({"--precision": "fp8"}, "invalid value 'fp8' of 'precision'; expected one of fp32, tf32, bf16, fp16"),
        ({"--clip-length": "0"}, "invalid value 0 of 'clip_length'; expected a whole number of at least 8"),
        ({"--feature": "x.mp4"}, "x.mp4: a feature is a .npy file; name one in --feature"),
        ({"--batch-size": "0"}, "invalid value 0 of 'batch_size'; expected a whole number of at least 1"),
    ],
)
def test_what_the_user_can_mend_is_told_in_one_line(frames, tmp_path, monkeypatch, capsys, changed, words):
    options = {"--frames": frames, "--weights": "random", "--feature": tmp_path / "x.npy"} | changed
    monkeypatch.setattr(sys, "argv", ["extract.py", *(str(part) for pair in options.items() for part in pair)])
    with pytest.raises(SystemExit, match="1"):
        run_main(extract.main)
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("error: ") and words in told
    assert not list(tmp_path.iterdir())


def test_the_program_ends_with_that_line(frames, tmp_path):
    refused = run("extract.py", "--frames", tmp_path / "none", "--weights", "random", "--feature", tmp_path / "x.npy")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1


def loaded(monkeypatch, tmp_path, *options):
    """What all records of a call have in common."""
    command = ["extract.py", "--frames", "x.frames", "--weights", "random", "--feature", str(tmp_path / "x.npy")]
    monkeypatch.setattr(sys, "argv", [*command, *options])
    bundle, _ = extract.prepare(extract.parse_args())
    _, provenance = extract.load(bundle)
    return provenance


def test_a_reader_that_is_not_installed_has_no_version(monkeypatch, tmp_path):
    def absent(package):
        if package == "decord":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr("i3d.selfcheck.facts.version", absent)
    names = [entry.partition("=")[0] for entry in loaded(monkeypatch, tmp_path)["versions"].split()]
    assert "decord" not in names and names[:4] == ["torch", "numpy", "pillow", "av"]


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        ("tf32", "precision: a CPU has no tf32 (it computes in fp32); set 'precision: fp32' or use a GPU"),
        (
            "bf16",
            "precision: this CPU has no instructions for bf16 (it may take longer than fp32); set 'precision: fp32' or "
            "use a GPU",
        ),
        ("fp32", None),
    ],
)
def test_a_precision_that_gains_nothing_on_a_cpu_is_named(monkeypatch, tmp_path, caplog, precision, words):
    monkeypatch.setattr(fused_cpu, "supported", lambda dtype: dtype == torch.float32)
    loaded(monkeypatch, tmp_path, "--device", "cpu", "--precision", precision)
    warnings = [record.getMessage() for record in caplog.records if record.name == "extract"]
    assert warnings == ([words] if words else [])
