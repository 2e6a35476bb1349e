"""The installer on what can be had of Narval here: Debian's lmod, a made-up module tree, a folder of empty wheels."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slurm  # needs Debian's packages, as the cluster does

LMOD = Path("/usr/share/lmod/lmod/init/bash")
PINS = {"torch": "2.11.0", "av": "15.1.0", "decord": "0.6.0", "snakemake": "9.17.1"}


class Narval:
    """A login node, as far as the installer sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.wheels = folder, folder / "home", folder / "wheels"
        for path in ("home", "wheels", "bin", "modules/StdEnv", "modules/python", "modules/ffmpeg", "repo/envs"):
            (folder / path).mkdir(parents=True)
        (folder / "modules/StdEnv/2023.lua").write_text("")
        (folder / "modules/ffmpeg/7.1.1.lua").write_text("")
        (folder / "modules/python/3.12.4.lua").write_text(f'prepend_path("PATH", "{folder}/bin")')
        tool = folder / "bin" / "virtualenv"
        tool.write_text(f'#!/bin/sh\n[ "$1" = --no-download ] && exec {sys.executable} -m venv "$2"\n')
        tool.chmod(0o755)
        for part in ("profiles", "i3d"):
            (folder / "repo" / part).symlink_to(ROOT / part)
        self.requirements = folder / "repo/envs/requirements.txt"
        self.requirements.write_text("".join(f"{name}=={version}\n" for name, version in PINS.items()))
        for name, version in PINS.items():
            self.wheel(name, f"{version}+computecanada")

    def wheel(self, name: str, version: str) -> None:
        """Put a wheel of one empty module into the wheelhouse."""
        about = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(self.wheels / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", f"version = {version!r}\n")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")

    def bash(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder / "repo",
            env={
                "HOME": str(self.home),
                "PATH": "/usr/bin:/bin",
                "BASH_ENV": str(LMOD),
                "MODULEPATH": f"{self.folder}/modules",
                "PIP_FIND_LINKS": str(self.wheels),
                **variables,
            },
            capture_output=True,
            text=True,
        )

    def install(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.bash(f"bash profiles/install.sh {' '.join(map(str, arguments))}", **variables)


@pytest.fixture
def narval(tmp_path: Path) -> Narval:
    return Narval(tmp_path)


def test_install_again_and_repair(narval: Narval):
    first = narval.install()
    assert first.returncode == 0, first.stderr
    package = narval.bash("source ~/envs/i3d/load && cd / && python -c 'import i3d; print(i3d.__file__)'").stdout
    assert package.strip() == str(narval.folder / "repo/i3d/__init__.py")
    loaded = narval.bash(
        "source ~/envs/i3d/load && module -t list 2>&1 && python -c 'import torch; print(torch.version)'"
    )
    assert loaded.stdout.split() == ["StdEnv/2023", "python/3.12.4", "ffmpeg/7.1.1", "2.11.0+computecanada"]

    environment = narval.home / "envs/i3d"
    made = (environment / "pyvenv.cfg").stat().st_ino
    narval.wheel("torch", "2.12.0+computecanada")
    narval.requirements.write_text(narval.requirements.read_text().replace("2.11.0", "2.12.0"))
    assert narval.install().returncode == 0
    assert narval.bash("~/envs/i3d/bin/python -c 'import torch; print(torch.version)'").stdout.startswith("2.12.0")
    assert (environment / "pyvenv.cfg").stat().st_ino == made, "an environment that works is kept"

    (environment / "bin/python").unlink()
    assert narval.install().returncode == 0
    assert narval.bash("~/envs/i3d/bin/python -c 'import decord'").returncode == 0


@pytest.mark.parametrize("place", ["{scratch}/env", "{home}/link/env", "/scratch/user/env"])
def test_scratch_is_refused(narval: Narval, place):
    scratch = narval.folder / "lustre"
    scratch.mkdir()
    (narval.home / "link").symlink_to(scratch)
    refused = narval.install(place.format(scratch=scratch, home=narval.home), SCRATCH=str(scratch))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is on scratch, where files are purged" in refused.stderr
    assert not list(scratch.iterdir())


def test_a_folder_of_something_else_is_left_alone(narval: Narval):
    (narval.home / "data").mkdir()
    (narval.home / "data/thesis.tex").write_text("years of work")
    refused = narval.install(narval.home / "data")
    assert "is no environment: choose another folder" in refused.stderr
    assert (narval.home / "data/thesis.tex").exists()


def test_a_missing_wheel_is_named(narval: Narval):
    (narval.wheels / "decord-0.6.0+computecanada-py3-none-any.whl").unlink()
    failed = narval.install()
    assert failed.returncode == 1
    assert "decord==0.6.0" in failed.stderr
    assert "avail_wheels" in failed.stderr
    assert not (narval.home / "envs/i3d/load").exists()


def test_a_missing_module_is_named(narval: Narval):
    (narval.folder / "modules/ffmpeg/7.1.1.lua").unlink()
    assert "cannot load the modules StdEnv/2023 python/3.12 ffmpeg/7.1.1" in narval.install().stderr


def test_elsewhere_the_installer_says_where_to_run_it(narval: Narval):
    assert "run this on a login node of the cluster" in narval.install(BASH_ENV="").stderr
