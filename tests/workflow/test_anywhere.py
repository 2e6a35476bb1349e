"""The workflow from any folder: by -s, by -d, as a git submodule, and as a module of another workflow."""

import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from i3d.backbones import backbone
from tests.support.paths import ROOT
from tests.support.workflow import SNAKEMAKE, Run, watch, write_clip

pytestmark = pytest.mark.workflow

SETTINGS = {"weights": "random", "sample_mode": "center_crop", "clip_length": 8, "frequency": 8}
YAML = "".join(f"{key}: {value}\n" for key, value in SETTINGS.items())
OPTIONS = ["--config", *(f"{key}={value}" for key, value in SETTINGS.items())]


def snakemake(folder: Path, *arguments: object, ok: bool = True) -> str:
    code, output = Run(folder, [*SNAKEMAKE, "--cores", "2", "--nocolor", *map(str, arguments)]).end()
    assert (code == 0) == ok, output
    return output


def clip(folder: Path, *names: str) -> None:
    for name in names:
        write_clip(folder / name, 17)


def check(folder: Path, name: str = "dataset/features/test/normal/a.npy") -> None:
    """One feature is there, with its row, and the run held the lock."""
    features = np.load(folder / name)
    assert (features.shape, features.dtype) == ((2, 1, 2048), np.float32)
    tree = (folder / name).parents[2]
    with (tree / "metadata.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok"]
    assert "run on" in (tree / ".i3d/lock").read_text()


def test_in_a_data_folder_without_a_configuration(tmp_path):
    clip(tmp_path, "dataset/videos/test/normal/a.mp4")
    output = snakemake(tmp_path, "-s", ROOT / "Snakefile", *OPTIONS)
    check(tmp_path)
    assert f"`python {os.path.relpath(ROOT, tmp_path)}/scripts/watch.py` shows this run" in output
    assert watch(tmp_path, output).startswith("error: dataset/features: no run is at work there")
    assert "Nothing to be done" in snakemake(tmp_path, "-s", ROOT / "Snakefile", "-n", *OPTIONS)


def test_in_another_directory_with_its_own_configuration(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.mkdir()
    clip(data, "clips/test/normal/a.mp4")
    (data / "config").mkdir()
    (data / "config/config.yaml").write_text(f"{YAML}videos: clips\nfeatures: out\n")
    snakemake(elsewhere, "-s", ROOT / "Snakefile", "-d", data)
    check(data, "out/test/normal/a.npy")


def test_as_a_git_submodule(tmp_path):
    """The copy must be found by git alone, as a user gets it."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if name.split("/")[0] in ("Snakefile", "rules", "scripts", "i3d", "config", "envs", "profiles"):
            (tmp_path / "workflow" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "workflow" / name).write_bytes((ROOT / name).read_bytes())
    clip(tmp_path, "dataset/videos/test/normal/a.mp4")
    snakemake(tmp_path, "-s", "workflow/Snakefile", *OPTIONS)
    check(tmp_path)


MODULE = """
module i3d:
    snakefile: "{root}/Snakefile"
    {prefix}
    config: config["i3d"]


use rule * from i3d as i3d_*


rule mine:
    default_target: True
    input: "{tree}/metadata.csv"
    output: "mine.txt"
    shell: "wc -l <{{input}} >{{output}}"


onstart:
    print("my start")


onerror:
    print("my error")
"""


def as_module(tmp_path: Path, prefix: str, folder: str) -> Path:
    """Write a workflow that takes this one as a module, with a video; returns the features tree."""
    clip(tmp_path / folder, "videos/test/normal/a.mp4")
    tree = Path(folder, "features")
    (tmp_path / "Snakefile").write_text(MODULE.format(root=ROOT, prefix=prefix, tree=tree))
    configure(tmp_path)
    return tmp_path / tree


def configure(tmp_path: Path, **changes: str) -> None:
    settings = SETTINGS | {"videos": "videos", "features": "features"} | changes
    lines = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    (tmp_path / "config.yaml").write_text(f"i3d:\n{lines}")


def run_module(tmp_path: Path, prefix: str, folder: str) -> Path:
    """Have such a workflow make its feature; returns the features tree."""
    tree = as_module(tmp_path, prefix, folder)
    output = snakemake(tmp_path, "--configfile", "config.yaml")
    check(tmp_path, str(tree.relative_to(tmp_path) / "test/normal/a.npy"))
    assert watch(tmp_path, output).startswith(f"error: {tree}: no run is at work there")
    assert "`snakemake --configfile config.yaml --cores 1 i3d_lists` writes lists" in output
    assert "my start" in output, "the hooks of the workflow that uses it run too"
    assert (tmp_path / "mine.txt").read_text().strip() == "2"
    assert {path.name for path in (tmp_path / folder / "logs").iterdir()} >= {"decode", "extract"}
    return tree


def test_as_a_module(tmp_path):
    run_module(tmp_path, "", ".")
    forced = ["-n", "--configfile", "config.yaml", "-R", "i3d_extract"]
    assert "1 feature asked for again" in snakemake(tmp_path, *forced)


def test_a_prefix_may_begin_with_a_dot(tmp_path):
    """Snakemake tells `./data` from `data`: what asks for its files has to be written so, too."""
    as_module(tmp_path, 'prefix: "./data"', "data")
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace('input: "data/', 'input: "./data/'))
    planned = snakemake(tmp_path, "-n", "--configfile", "config.yaml")
    assert "trees     data/videos -> data/features" in planned
    assert "output: ./data/features/metadata.csv" in planned


def test_exports_and_failures_of_a_module_with_a_prefix(tmp_path):
    tree = run_module(tmp_path, 'prefix: "data"', "data")
    (tmp_path / "data/events.csv").write_text("video_name,start_annotation,end_annotation\n")
    configure(tmp_path, ground_truth="{annotations: events.csv}")
    snakemake(tmp_path, "i3d_ground_truth", "i3d_deepmil", "--configfile", "config.yaml")
    lists, crops = (tmp_path / "data/dataset" / name for name in ("lists", "crops"))
    feature = tree / "test/normal/a.npy"
    assert (lists / "test.list").read_text() == f"{feature}\n"
    assert np.load(lists / "test_gt.npy").shape == (np.load(feature).shape[0] * 8,)
    assert np.load((crops / "test_one_crop.list").read_text().rstrip()).shape[1:] == (2048,)

    before = feature.read_bytes()
    weights = backbone("i3d_r50").random_weights()
    huge = {name: tensor * 1e9 if tensor.dim() == 5 else tensor for name, tensor in weights.items()}  # sums overflow
    torch.save(huge, tmp_path / "data/huge.pth")
    configure(tmp_path, weights="huge.pth")
    output = snakemake(tmp_path, "--configfile", "config.yaml", ok=False)
    assert "my error" in output
    with (tree / "metadata.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    other_weights, _, reason = row["reason"].partition("; ")
    assert row["status"] == "ok" and other_weights.startswith("made under other settings: weights")
    assert "NaN or Inf" in reason, "tables are written after failures too"
    assert output.rstrip().splitlines()[-1] == f"  data/videos/test/normal/a.mp4: {reason}", "it comes last"
    assert feature.read_bytes() == before, "the old one stays until then"
