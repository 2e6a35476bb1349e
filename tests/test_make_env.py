"""The environment: when it is built anew, updated or left alone, and what is said before anything is downloaded."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

spec = importlib.util.spec_from_file_location("make_env", ROOT / "envs/make_env.py")
make_env = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_env)

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Machine:
    """Stands in for the network: notes what would be installed, and makes environments for real."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.venv = folder / ".venv"
        self.installed: list[str] = []
        self.broken = False
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(make_env, "install", self._install)
        monkeypatch.setattr(make_env, "run", self._run)

    def _install(self, venv: Path, torch: str) -> None:
        if self.broken:
            raise subprocess.CalledProcessError(1, ["uv", "pip", "install"])
        self.installed.append(torch)

    def _run(self, *command: object) -> None:
        if "pip" in command:  # `pip install uv`
            return
        subprocess.check_call([*map(str, command), *(["--without-pip"] if "venv" in command else [])])

    def make(self, *options: str) -> None:
        self._monkeypatch.setattr(sys, "argv", ["make_env.py", "--venv", str(self.venv), *options])
        make_env.main()

    def python(self, version: tuple[int, int]) -> None:
        """Be run by another Python from now on."""
        self._monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))

    @property
    def marked(self) -> bool:
        """Whether the environment is still the one that `mark` has seen."""
        return (self.venv / "mark").exists()

    def mark(self) -> None:
        (self.venv / "mark").touch()


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_it_is_built_once_and_its_size_is_said_first(machine, capfd):
    machine.make()
    told = capfd.readouterr().out
    assert f"with Python {HERE}: 3.2 GB to download" in told
    machine.mark()
    machine.make()
    assert capfd.readouterr().out == ""
    assert machine.installed == ["cuda"] and machine.marked


def test_without_a_gpu_the_smaller_build_is_offered(machine, capfd, monkeypatch):
    exists = Path.exists
    for there in (False, True):
        monkeypatch.setattr(
            Path, "exists", lambda path, there=there: there if str(path).startswith("/proc/driver") else exists(path)
        )
        make_env.announce(machine.venv, "cuda")
        assert ("make env TORCH=cpu" in capfd.readouterr().out) != there


def test_changed_pins_are_an_update(machine, monkeypatch):
    machine.make()
    machine.mark()
    monkeypatch.setattr(make_env, "pins_digest", lambda: "other")
    machine.make()
    assert machine.installed == ["cuda", "cuda"] and machine.marked


def test_another_build_of_torch_is_built_anew_and_kept(machine):
    machine.make()
    machine.mark()
    machine.make("--torch", "cpu")
    assert machine.installed == ["cuda", "cpu"] and not machine.marked
    machine.mark()
    machine.make("--torch", "")
    assert machine.installed == ["cuda", "cpu"] and machine.marked


def test_another_python_is_built_anew_only_if_it_was_asked_for(machine):
    machine.make()
    machine.mark()
    machine.python((3, 13) if HERE != "3.13" else (3, 12))
    machine.make()
    assert machine.marked
    machine.make("--chosen")
    assert machine.installed == ["cuda", "cuda"] and not machine.marked


def test_what_was_not_finished_is_built_anew(machine, capsys):
    machine.broken = True
    with pytest.raises(SystemExit, match="`make env` starts anew$"):
        machine.make()
    with pytest.raises(SystemExit, match="with TORCH=cuda it takes the larger build"):
        machine.make("--torch", "cpu")
    machine.mark()
    machine.broken = False
    machine.make()
    assert machine.installed == ["cuda"] and not machine.marked
    assert "/bin/activate` makes its programs yours" in capsys.readouterr().out


def test_an_environment_that_no_longer_runs_is_built_anew(machine):
    machine.make()
    (machine.venv / "bin/python").unlink()
    machine.mark()
    machine.make()
    assert not machine.marked and (machine.venv / "bin/python").exists()


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 14), (4, 0)])
def test_a_python_that_does_not_fit_is_refused_before_anything_is_done(machine, version):
    machine.python(version)
    with pytest.raises(SystemExit) as ended:
        machine.make()
    told = str(ended.value)
    assert "3.11, 3.12 (as on Narval) or 3.13" in told and f"{version[0]}.{version[1]}" in told
    assert "make env PYTHON=python3.1" in told
    assert machine.installed == [] and not machine.venv.exists()


def test_a_python_without_venv_is_refused(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=f"lacks ensurepip.*python{HERE}-venv"):
        machine.make()
    assert machine.installed == []


def test_torch_for_the_cpu_is_asked_of_uv_by_its_own_option(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(make_env, "run", lambda *command: commands.append([str(part) for part in command]))
    make_env.install(tmp_path, "cpu")
    make_env.install(tmp_path, "cuda")
    assert [command[command.index("--torch-backend") + 1] for command in commands if "--torch-backend" in command] == [
        "cpu"
    ]
    assert all(str(ROOT / name) in commands[0] for name in make_env.PINS)
    assert commands[1][-2:] == ["-e", str(ROOT)]
