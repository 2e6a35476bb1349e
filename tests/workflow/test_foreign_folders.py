"""A folder of data that brings files of Snakemake's and Python's: a profile is named, no module is run."""

import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.workflow import Run, Workflow

pytestmark = pytest.mark.workflow
LIKE_A_CLUSTER_JOB = """
rule as_a_job:  # by `python -m snakemake`, as those on a cluster
    output: "job"
    run: Path(output[0]).touch()
"""
MODULES = ("snakemake", "i3d", "numpy", "torch", "multiprocessing", "json", "i3d_hook", "sitecustomize")


def test_no_module_of_the_folder_runs_and_its_profile_is_named(tmp_path):
    data = Workflow(tmp_path / "data", {"test/normal/a.mp4": 17}, existing=True)
    for name in MODULES:
        (data.folder / f"{name}.py").write_text(f"open('ran', 'a').write('{name}\\n')\n")
    (data.folder / "profiles/default").mkdir(parents=True)
    (data.folder / "profiles/default/config.yaml").write_text("keep-going: true\n")
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(f"include: '{ROOT}/Snakefile'\n{LIKE_A_CLUSTER_JOB}")
    program = [str(Path(sys.executable).parent / "snakemake"), "-s", str(snakefile), "--nocolor"]
    code, output = Run(data.folder, [*program, "--cores", "1", "all", "as_a_job", *data.settings()]).end()
    assert code == 0 and data.feature("test/normal/a.npy").exists(), output
    assert (data.folder / "job").exists()
    assert not (data.folder / "ran").exists(), (data.folder / "ran").read_text()
    assert output.count(f"taken from {data.folder}/profiles/default, which is not the workflow's") == 1
    code, output = Run(data.folder, [*program, "-n", "--workflow-profile", "none", *data.settings()]).end()
    assert code == 0 and "which is not the workflow's" not in output, output
