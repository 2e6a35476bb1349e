"""What the workflow reads off Snakemake's own objects, with the pinned Snakemake and the newest one."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.path_modifier import PathModifier

from i3d.cluster.snakemake_internals import check_options, foreign_profile, module_prefix
from i3d.errors import UserError
from tests.support.paths import ROOT, SUPPORT

PYTHONS = {"pinned": sys.executable, "newest": str(ROOT / ".venv-newest/bin/python")}
SNAKEFILE = Path(__file__).with_name("snakemake_probe.smk")


@pytest.fixture(
    scope="module",
    # The make target of the tests marked `slurm` brings the newest Snakemake.
    params=["pinned", pytest.param("newest", marks=[pytest.mark.slurm, pytest.mark.xdist_group("newest")])],
)
def server(request):
    """Snakemake, loaded once for all tests."""
    command = [PYTHONS[request.param], SUPPORT / "snakemake_server.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def snakemake(server, tmp_path):
    """Runs the probe; returns what it was told, and the whole output."""

    def run(*arguments: str, snakefile: Path = SNAKEFILE):
        (tmp_path / "output").unlink(missing_ok=True)
        call = ["-s", str(snakefile), "--cores", "1", *arguments]
        server.stdin.write(json.dumps([str(tmp_path), str(tmp_path / "output"), call]) + "\n")
        server.stdin.flush()
        assert server.stdout.readline() == "ended\n"
        output = (tmp_path / "output").read_text()
        told = [line for line in output.splitlines() if line.startswith("told ")]
        assert told, output
        return json.loads(told[0].removeprefix("told ")), output

    return run


PLAIN = {
    "executes": True,
    "module": False,
    "prefix": "",
    "naming": "*",
    "elsewhere": False,
    "targets": [],
    "forced": [],
    "notemp": False,
    "locked": False,
    "slurm": False,
    "profile": "None",
    "job": "None",
}
NARVAL = ["--default-resources", "gres=gpu:a100_4g.20gb:1", "cpus_per_task=3", "mem_mb=20480 * attempt"]
NARVAL_JOB = "Machine(gres='gpu:a100_4g.20gb:1', cpus=6, memory_gb=40.0, decode_threads=5, offered=None)"
OWN = ["--set-resources", "decode:cpus_per_task=2", "extract:cpus_per_task=1", "decode:gpu=0", "extract:gpu=1"]


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["--rulegraph"], {"executes": False}),
        (["-n", "-f", "two.txt"], {"targets": ["two.txt"], "forced": ["two.txt"]}),
        (["-n", "-F", *NARVAL, "--set-threads", "decode=5"], {"forced": None, "job": NARVAL_JOB}),
        (
            ["-n", "--default-resources", "gpu_model=h100", "mem_mb=15872", *OWN],
            {"job": "Machine(gres='gpu:h100:1', cpus=3, memory_gb=31.0, decode_threads=1, offered=None)"},
        ),
        (["-n", "-R", "work"], {"forced": None}),
        (["-n", "--notemp", "-R", "one.txt"], {"notemp": True, "forced": ["one.txt"]}),
    ],
)
def test_what_was_asked_of_snakemake(snakemake, arguments, changed):
    assert snakemake(*arguments)[0] == PLAIN | changed


def test_a_profile_of_the_folder_where_it_is_started(snakemake, tmp_path, monkeypatch):
    profile = tmp_path / "profiles/default"
    profile.mkdir(parents=True)
    (profile / "config.yaml").write_text("keep-going: true")
    assert snakemake("-n")[0]["profile"] == str(profile)
    workflow = SimpleNamespace(workdir_init=tmp_path, overwrite_workdir=None, main_snakefile=str(SNAKEFILE))
    own = tmp_path / "clone/profiles/default"
    assert foreign_profile(workflow, own) == profile
    with monkeypatch.context() as patch:
        patch.setenv("PWD", str(tmp_path))
        there = SimpleNamespace(workdir_init="/", overwrite_workdir="data", main_snakefile=str(SNAKEFILE))
        assert foreign_profile(there, own) == profile
    for asked in (["--workflow-profile", "none"], ["--workflow-profile=p"]):
        assert foreign_profile(workflow, own, ["snakemake", *asked]) is None
    workflow.main_snakefile = str(tmp_path / "Snakefile")
    assert foreign_profile(workflow, own) is None, "it belongs to that Snakefile"
    workflow.main_snakefile = str(SNAKEFILE)
    own.parent.mkdir(parents=True)
    own.symlink_to(profile)
    assert foreign_profile(workflow, own) is None, "it is the workflow's"


def test_a_folder_to_work_in_may_be_set_by_a_profile(snakemake, tmp_path):
    profile = tmp_path / "mine/config.yaml"
    profile.parent.mkdir()
    profile.write_text("directory: data")
    for options in (["-d", "data"], ["--profile", str(profile.parent)]):
        assert snakemake("-n", *options)[0]["elsewhere"]


def test_a_lock_that_a_killed_run_left_is_seen(snakemake, tmp_path):
    lock = tmp_path / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("one.txt\n")
    told, output = snakemake()
    assert told["locked"] and "cannot be locked" in output
    assert not snakemake("--nolock")[0]["locked"]


def test_hooks_run_beside_those_of_the_main_snakefile(snakemake):
    _, output = snakemake()
    hooks = [line for line in output.splitlines() if line.startswith(("ours", "theirs"))]
    assert hooks == ["ours at the start", "theirs at the start", "ours at the end", "theirs at the end"]
    _, output = snakemake("--config", "fails=1", "--", "two.txt")
    assert "ours after failure\ntheirs after failure" in output


def test_a_module_knows_its_prefix(snakemake, tmp_path):
    inner, outer = tmp_path / "inner.smk", tmp_path / "Snakefile"
    inner.write_text(
        f'module probe:\n    snakefile: "{SNAKEFILE}"\n    prefix: "b"\n\n\nuse rule * from probe as b_*\n'
    )
    outer.write_text(f'module inner:\n    snakefile: "{inner}"\n    prefix: "a"\n\n\nuse rule * from inner as a_*\n')
    told, _ = snakemake("-n", "a/b/two.txt", snakefile=outer)
    assert (told["module"], told["prefix"], told["naming"], told["forced"]) == (True, "a/b/", "a_b_*", [])


def test_a_module_knows_what_its_rules_are_called(snakemake, tmp_path):
    outer = tmp_path / "Snakefile"
    outer.write_text(
        f'module probe:\n    snakefile: "{SNAKEFILE}"\n\n\nuse rule * from probe as a_*\n\n\n'
        'rule homework:\n    output: "mine.txt"\n'
    )
    for forced, told in (("a_work", None), ("homework", ["homework"]), ("two.txt", ["two.txt"])):
        seen, _ = snakemake("-n", "two.txt", "-R", forced, snakefile=outer)
        assert (seen["naming"], seen["forced"]) == ("a_*", told)


@pytest.mark.parametrize(("prefix", "normal"), [("./x", "x/"), ("x//y/", "x/y/"), ("/x/../y", "/y/"), ("./", "")])
def test_a_prefix_in_its_normal_form(prefix, normal):
    modifier = PathModifier(None, prefix, SimpleNamespace())
    assert module_prefix(SimpleNamespace(modifier=SimpleNamespace(path_modifier=modifier))) == normal


@pytest.mark.parametrize(
    "option", ["--archive", "--archive=x.tar.gz", "--ar", "--generate-unit-tests", "--generate-u=x", "--export-cwl"]
)
def test_options_that_cannot_be_followed_are_refused(option):
    with pytest.raises(UserError, match=f"{option.partition('=')[0]}[a-z-]* is not supported"):
        check_options(["snakemake", option, "x"])
    check_options(["snakemake", "-n", "--cores", "4", "--config", "a=b", "--", "all"])
