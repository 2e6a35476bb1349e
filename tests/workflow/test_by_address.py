"""The workflow without a clone: the package installed from a git address, the rules from there or from copies.

What GitHub is asked for, git takes from a repository here: its configuration can put one address in another's place.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT
from tests.support.workflow import write_clip

pytestmark = pytest.mark.workflow

CONFIG = "{weights: random, sample_mode: center_crop, clip_length: 8, frequency: 8}"
ADDRESS = "https://github.com/owner/i3d-features"
# As snakedeploy 0.17 writes it.
MODULE = """
configfile: "config/config.yaml"


module i3d:
    snakefile: {source}
    config: config


use rule * from i3d
"""
FACTS = """
import json
from importlib.metadata import requires
from i3d.cluster.profiles import options
from i3d.datasets.sheet import known_sheets
print(json.dumps([requires("i3d-features"), known_sheets(), options("narval", "gpu:a100:1", 6, 40)["configfile"]]))
"""
CARRIED = ("scripts/", "config/datasets/", "profiles/")
PARTS = (".py", ".yaml")


def git(*arguments: object) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Installed:
    """A repository of what git knows of here, and an environment into which the package was installed from it."""

    def __init__(self, folder: Path) -> None:
        self.repository, venv = folder / "repository", folder / "venv"
        for name in git("-C", ROOT, "ls-files").splitlines():
            if not name.startswith(("tests/", "docs/", "bench/")):
                (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
                (self.repository / name).write_bytes((ROOT / name).read_bytes())
        git("init", "-q", self.repository)
        git("-C", self.repository, "add", ".")
        git("-C", self.repository, "commit", "-qm", "all")
        self.commit = git("-C", self.repository, "rev-parse", "HEAD")
        self.run(sys.executable, "-m", "venv", "--without-pip", venv)
        self.python = venv / "bin/python"
        site = self.run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        address = f"git+file://{self.repository}@{self.commit}"
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed", "--disable-pip-version-check")
        self.run(self.python, "-m", "pip", "install", *options, address)
        self.site = site

    def run(self, *command: object, folder: Path | None = None) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{self.repository}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS,
            "XDG_CACHE_HOME": str(self.repository.parent / "cache"),  # where Snakemake keeps what it fetched
        }
        if hasattr(self, "python"):
            environment["PATH"] = f"{self.python.parent}:{environment['PATH']}"
        done = subprocess.run(
            [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def snakemake(self, folder: Path, *arguments: object) -> str:
        return self.run(self.python, "-m", "snakemake", "--cores", 2, "--nocolor", *arguments, folder=folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    return Installed(tmp_path_factory.mktemp("address"))


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder with a configuration and two videos."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    for name in ("a", "b"):
        write_clip(tmp_path / f"dataset/videos/test/normal/{name}.mp4", 17)
    return tmp_path


def check(folder: Path) -> None:
    """Both features are there, and their rows."""
    for name in ("a", "b"):
        assert np.load(folder / f"dataset/features/test/normal/{name}.npy").shape == (2, 1, 2048)
    assert (folder / "dataset/features/metadata.csv").read_text().count(",ok,") == 2


def test_from_github_in_a_folder_as_snakedeploy_leaves_it(installed, data):
    """Then the same by the path of a repository."""
    (data / "workflow").mkdir()
    for name in ("config", "profiles"):
        shutil.copytree(installed.repository / name, data / name)
    snakefile = data / "workflow/Snakefile"
    source = f'commit="{installed.commit}", path="workflow/Snakefile")'
    snakefile.write_text(MODULE.format(source=f'github("owner/i3d-features", {source}'))
    settings = ("--config", *CONFIG.strip("{}").replace(": ", "=").split(", "))
    output = installed.snakemake(data, "--printshellcmds", *settings)
    check(data)
    assert f"python {installed.site}/i3d/workflow/scripts/decode.py" in output
    assert "git+file:" not in output and ADDRESS not in output
    snakefile.write_text(MODULE.format(source=f'gitfile("{installed.repository}", {source}'))
    assert "Nothing to be done" in installed.snakemake(data, "-n", *settings)


def test_the_installed_package_is_whole(installed, data):
    """All files, the pins, sheets, profiles and logger; then a run whose rules lie where nothing else does."""
    ours = git("-C", ROOT, "ls-files").splitlines()
    expected = {name for name in ours if name.startswith("i3d/")}
    expected |= {f"i3d/workflow/{name}" for name in ours if name.startswith(CARRIED) and Path(name).suffix in PARTS}
    files = {str(path.relative_to(installed.site)) for path in Path(installed.site, "i3d").rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} == expected
    pins, sheets, settings = json.loads(installed.run(installed.python, "-c", FACTS, folder=data))
    required = (ROOT / "envs/requirements.txt").read_text().splitlines()
    assert pins == [line for line in required if not line.startswith("#")]
    assert sheets == sorted(path.stem for path in (ROOT / "config/datasets").glob("*.yaml"))
    assert all(Path(path).is_relative_to(installed.site) and Path(path).exists() for path in settings)
    for name in ("Snakefile", "rules", "envs"):
        (data / "rules_alone" / name).parent.mkdir(exist_ok=True)
        (data / "rules_alone" / name).symlink_to(installed.repository / name)
    installed.snakemake(data, "-s", "rules_alone/Snakefile", "--configfile", "config.yaml", "--logger", "i3d")
    check(data)
