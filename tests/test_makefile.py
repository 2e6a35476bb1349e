"""The Makefile, and the script that hides what a bare machine lacks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder with the Makefile and an environment that is as it should be, as far as make can see."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def recipe(clone: Path, *arguments: str) -> str:
    """What make would do, less the making of the environment."""
    make = ["make", "--no-print-directory", "-n", *arguments]
    made = subprocess.run(make, cwd=clone, capture_output=True, text=True, check=True)
    return "\n".join(line for line in made.stdout.splitlines() if "make_env" not in line)


def test_the_report_is_of_what_was_last_run(clone):
    assert "last_config" not in recipe(clone, "report")
    (clone / "logs").mkdir()
    (clone / "logs/last_config.yaml").write_text("videos: demo/videos\n")
    assert "logs/last_config.yaml" in recipe(clone, "report")


@pytest.mark.parametrize("target", ["status", "watch", "report"])
def test_status_watch_and_report_take_other_trees(clone, target):
    given = recipe(clone, target, "CONFIG=videos=other/videos features=other/features")
    assert "last_config" not in given and "--config videos=other/videos features=other/features" in given


def test_help_lists_every_target():
    make = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text()
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    assert {line.split()[0] for line in listed.splitlines()} == set(phony)


def test_a_program_that_is_not_there_is_named(clone):
    made = subprocess.run(["make", "env", "PYTHON=python3.99"], cwd=clone, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert "there is no program python3.99; the workflow needs Python 3.11, 3.12 or 3.13" in made.stderr


def test_distclean_leaves_what_is_the_users(clone):
    for name in (".venv", "demo", "dataset", "resources", "logs"):
        (clone / name).mkdir()
    subprocess.run(["make", "distclean"], cwd=clone, capture_output=True, check=True)
    assert {path.name for path in clone.iterdir()} == {"Makefile", "dataset", "resources", "logs"}


def test_a_bare_machine_lacks_what_it_should(tmp_path):
    for name in ("ffmpeg", "uv", "sinfo", "useful"):
        (tmp_path / name).write_text("#!/bin/sh\necho here\n")
        (tmp_path / name).chmod(0o755)
    found = subprocess.run(
        ["bash", ROOT / ".ci/bare", "bash", "-c", "for name in ffmpeg uv sinfo useful; do type -P $name; done; useful"],
        env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    assert len(found) == 2 and found[0].endswith("/useful") and found[1] == "here"


def test_ci_runs_the_tests_on_a_bare_machine_and_installs_no_ffmpeg():
    script = (ROOT / ".ci/run").read_text()
    for suites in ("demo\n", "test-faults ||", "--jobs=3 --output-sync=target test ||"):
        assert f"bash .ci/bare make {suites}" in script
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    assert any("slurmctld" in line for line in lines) and not any("ffmpeg" in line for line in lines)
