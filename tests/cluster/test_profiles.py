"""The profiles of clusters, as Snakemake reads them."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser

from i3d.cluster.profiles import PROFILES, options
from i3d.cost import calibration
from i3d.cost.devices import offers
from i3d.cost.gpu_request import parse_gres
from i3d.errors import UserError
from tests.support.calibrations import MEASURED
from tests.support.paths import ROOT
from tests.support.workflow import Workflow

CLUSTERS = ("fir", "narval", "nibi", "rorqual")


def read(cluster: str) -> dict:
    with (PROFILES / cluster / "config.yaml").open() as file:
        return dict(ProfileConfigFileParser().parse(file))


def pairs(values: list[str]) -> dict[str, str]:
    return dict(each.split("=", 1) for each in values)


def test_the_clusters_that_have_a_profile():
    assert {path.parent.name for path in PROFILES.glob("*/config.yaml")} - {"default"} == set(CLUSTERS)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_job_holds_no_more_than_its_slice_is_charged_for(cluster):
    found = read(cluster)
    asked, own = pairs(found["default-resources"]), pairs(found["set-resources"])
    gpu = parse_gres(asked["gres"])
    offer = offers(cluster)[gpu.device]
    assert gpu.count == 1 and gpu.model == offer.asked_for
    cpus = int(own["decode:cpus_per_task"]) + int(asked["cpus_per_task"])
    memory_gb = 2 * int(asked["mem_mb"].split()[0]) / 1024
    assert offer.charged(cpus, memory_gb) == offer.rgu
    assert cpus == min(6, math.floor(offer.rgu * offer.cpus_per_rgu)), "as many as the slice's share, up to six"
    assert pairs(found["set-threads"]) == {"decode": str(cpus - 1), "extract": "1", "measure_machine": str(cpus)}
    assert (own["measure_machine:cpus_per_task"], own["measure_machine:mem_mb"]) == (
        str(cpus),
        f"{memory_gb * 1024:.0f}",
    )
    assert found["cores"] == str(cpus), "for a dry run"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_profile_brings_its_settings_to_any_folder(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared, own = (yaml.safe_load(Path(path).read_text()) for path in read(cluster)["configfile"])
    assert shared["frames"] == "pipe" and shared["device"] == "cuda"
    assert own["cluster"] == cluster and not set(own) & set(shared)


def test_narval_keeps_its_slice():
    assert pairs(read("narval")["default-resources"])["gres"] == "gpu:a100_4g.20gb:1"


def test_no_line_stands_in_two_profiles_but_those_that_make_it_one():
    own = [set((PROFILES / each / "config.yaml").read_text().splitlines()) for each in CLUSTERS]
    options = set((PROFILES / "shared/options.yaml").read_text().splitlines())
    assert not {line for lines in own for line in lines & options if not line.lstrip().startswith("#")} - {""}


@pytest.mark.workflow
def test_a_plan_on_a_laptop_shows_the_slices_of_the_profiles_cluster(tmp_path, monkeypatch):
    """And no other; a made-up self-check makes the work long enough to compare them."""
    monkeypatch.delenv("CC_CLUSTER", raising=False)
    monkeypatch.setenv("SLURM_CONF", os.devnull)  # other tests may have started a cluster here
    workflow = Workflow(tmp_path, {"test/a.mp4": 400}, clip_length=16, frequency=16)
    slow = calibration.NetworkSpeed("fp32", 20, 0.01, 3.0, 7200.0)
    measured = msgspec.structs.replace(MEASURED, device="h100_2g.20gb", network=(slow,))
    calibration.save(tmp_path / "calibration.json", measured)
    profile = ["-n", "--profile", "profiles/rorqual"]
    output = workflow.run(*profile, cores=4, calibration="calibration.json", sample_mode="oversample")
    rows = [line.split()[0] for line in output.splitlines() if line.endswith(" RGU hours") or " RGU hours  " in line]
    assert rows == ["h100_1g.10gb", "h100_2g.20gb", "h100_3g.40gb", "h100"]
    assert "a100" not in output


def test_one_cpu_is_too_few_to_decode_and_to_feed_the_gpu():
    with pytest.raises(UserError, match=r"fir: `cpus: 1` is too few, .*: write 2"):
        options("fir", "gpu:h100:1", 1, 40)
    assert options("fir", "gpu:h100:1", 2, 40)["set-threads"]["decode"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "profiles/narval"],
        ["--profile=profiles/narval/", "--workflow-profile=none"],
        ["--workflow-profile", "profiles/narval"],
    ],
)
def test_files_beside_the_profile_in_use_win_over_the_workflows(arguments, tmp_path, monkeypatch):
    shutil.copytree(PROFILES, tmp_path / "profiles", ignore=shutil.ignore_patterns("settings.yaml"))
    ours = tmp_path / "profiles/shared/options.yaml"
    ours.write_text(ours.read_text().replace("retries: 2", "retries: 7"))
    monkeypatch.chdir(tmp_path)
    assert options("narval", "gpu:a100:1", 6, 40)["retries"] == 2
    monkeypatch.setattr(sys, "argv", ["snakemake", "-n", *arguments])
    found = options("narval", "gpu:a100:1", 6, 40)
    assert found["retries"] == 7
    assert found["configfile"] == [
        str(PROFILES / "shared/settings.yaml"),
        str(tmp_path / "profiles/narval/narval.yaml"),
    ]
    monkeypatch.setattr(sys, "argv", ["snakemake"])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(tmp_path / "profiles/narval"))
    assert options("narval", "gpu:a100:1", 6, 40) == found
    with pytest.raises(UserError, match=f"{tmp_path}/profiles/mine/mine.yaml is missing, .* `cluster: null`"):
        options("mine", "gpu:a100:1", 6, 40)


STEPS = (  # of profiles/README.md, "Another SLURM cluster"
    "cp -r profiles/nibi profiles/mine && mv profiles/mine/nibi.yaml profiles/mine/mine.yaml",
    "sed -i 's/^cluster: .*/cluster: null/' profiles/mine/mine.yaml",
    "sed -i -e 's/gpu:h100_2g.20gb:1/gpu:gtx_1080:1/' -e 's/\"nibi\"/\"mine\"/' profiles/mine/config.yaml",
    "sed -i -e 's/# slurm_partition: .*/slurm_partition: gpus/' -e '/slurm_account:/d' profiles/shared/options.yaml",
)


@pytest.mark.workflow
def test_the_steps_for_another_cluster_work_in_a_folder_without_a_clone(tmp_path, monkeypatch):
    monkeypatch.delenv("CC_CLUSTER", raising=False)
    monkeypatch.setenv("SLURM_CONF", os.devnull)
    shutil.copytree(PROFILES, tmp_path / "profiles")
    workflow = Workflow(tmp_path, {"test/a.mp4": 17}, existing=True)
    for step in STEPS:
        subprocess.run(step, shell=True, check=True, cwd=tmp_path)
    command = ("-n", "-s", f"{ROOT}/Snakefile", "--profile", "profiles/mine", "--verbose")
    output = workflow.run(*command, cores=4)
    assert "slurm_partition=gpus" in output and "slurm_account" not in output
    assert "an unknown time: gtx_1080 is in no table" in output
    assert "; up to " not in output, "frames go through a pipe, as shared/settings.yaml says"


@pytest.mark.workflow
def test_a_plan_refuses_several_gpus_for_a_job(tmp_path):
    """One would compute, and all would be paid for."""
    workflow = Workflow(tmp_path, {"test/a.mp4": 17}, copied=True)
    profile = tmp_path / "profiles/nibi/config.yaml"
    profile.write_text(profile.read_text().replace('gres: "gpu:h100_2g.20gb:1"', 'gres: "gpu:h100:4"'))
    output = workflow.run("-n", "--profile", "profiles/nibi", cores=4, ok=False)
    assert "error: The profile asks for 4 GPUs, `gpu:h100:4`, and a job uses one of them: write `gpu:h100:1`" in output


@pytest.mark.workflow
def test_a_job_gets_the_time_that_the_plan_expects(tmp_path, monkeypatch):
    """By a made-up self-check of a slow network, with which 25 snippets take 5000 seconds."""
    monkeypatch.setenv("SLURM_CONF", os.devnull)
    workflow = Workflow(tmp_path, {"test/a.mp4": 400}, clip_length=16, frequency=16, sample_mode="oversample")
    slow = calibration.NetworkSpeed("fp32", 20, 0.005, 3.0, 7200.0)
    calibration.save(tmp_path / "calibration.json", msgspec.structs.replace(MEASURED, network=(slow,)))
    output = workflow.run("-n", "--profile", "profiles/narval", "--verbose", cores=6, calibration="calibration.json")
    assert "runtime=135," in output or "runtime=135\n" in output, "half as much again, and ten minutes"
