"""Each command that the workflow prints works as printed, from where the user stands."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.workflow import SNAKEMAKE, Run, watch, write_clip

pytestmark = pytest.mark.workflow


def run(folder: Path, command: list[str], *, ok: bool = True) -> str:
    code, output = Run(folder, [*SNAKEMAKE, *command[1:]]).end()
    assert (code == 0) == ok, output
    return output


def hints(output: str) -> dict[str, list[str]]:
    """The commands in an output, by their target."""
    found = (shlex.split(command) for command in re.findall(r"`(snakemake [^`]*)`", output))
    return {command[-1]: command for command in found}


def test_what_is_printed_can_be_run(tmp_path):
    """By another folder's Snakefile, for another directory, with settings in a file and on the command line."""
    data, stand = tmp_path / "my data", tmp_path / "stand"
    stand.mkdir()
    for name in ("train_val/normal/a.mp4", "train_val/anomaly/b.mp4", "test/normal/c.mp4"):
        write_clip(data / "clips" / name, 17)
    (stand / "own.yaml").write_text("weights: random\nsample_mode: center_crop\nclip_length: 8\nfrequency: 8\n")
    snakefile = ["-s", str(ROOT / "Snakefile"), "-d", str(data), "--configfile", "own.yaml"]
    trees = ["--config", "videos=clips", "features=out"]

    missing = run(stand, ["snakemake", "--cores", "2", *snakefile, *trees, "weights=none.pth", "-n"], ok=False)
    assert "3 to extract" in missing and "trees     clips -> out" in missing
    assert (
        missing.rstrip().endswith("or try 'random'") and "cannot read none.pth" in missing.rstrip().rpartition("\n")[2]
    )
    assert list(hints(missing)) == ["selfcheck", "weights"]
    assert "published" in run(stand, [*hints(missing)["weights"], "-n"])

    output = run(stand, ["snakemake", "--cores", "2", *snakefile, *trees])
    assert watch(stand, output).startswith(f"error: {data}/out: no run is at work there")
    assert {"lists", "report"} <= hints(output).keys()
    run(stand, hints(output)["lists"])
    assert list(data.rglob("*.list"))
    run(stand, hints(output)["report"])
    assert list(data.rglob("report/index.html"))

    for name in ("test/normal/c.mp4", "train_val/normal/a.mp4"):
        (data / "clips" / name).unlink()
    planned = run(stand, ["snakemake", "--cores", "2", *snakefile, *trees])
    refused = run(stand, hints(planned)["orphaned"], ok=False)
    assert (data / "out/test/normal/c.npy").exists()
    assert "orphaned=all" in hints(refused).get("orphaned", []), refused

    run(stand, hints(refused)["orphaned"])
    assert not (data / "out/test/normal/c.npy").exists() and (data / "out/train_val/anomaly/b.npy").exists()
