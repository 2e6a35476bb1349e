"""The conda environments pin what the requirements pin, agree with each other, and have what the programs import."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT, SCRIPTS

ENVS = ROOT / "envs"
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}  # whose names differ from those of their modules


def pins(lines) -> dict[str, str]:
    return dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines)


REQUIRED = pins(line for line in (ENVS / "requirements.txt").read_text().splitlines() if not line.startswith("#"))


def read_env(path: Path) -> tuple[list[str], dict[str, str]]:
    """What conda installs, and what pip does."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    (by_pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    return [entry for entry in entries if isinstance(entry, str)], pins(by_pip)


def programs() -> set[tuple[str, str]]:
    """The rules' programs, each with its environment."""
    rules = [rule for path in (ROOT / "rules").glob("*.smk") for rule in re.split(r"(?m)^ *rule\b", path.read_text())]
    found = [(re.search(r"\{SCRIPTS\}/(\w+\.py)", rule), re.search(r'"\.\./envs/(.+?)"', rule)) for rule in rules]
    return {(program[1], env[1]) for program, env in found if program and env}


def imported(path: Path) -> set[str]:
    """The modules that a file imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def needed(program: Path) -> set[str]:
    """The other people's packages that a program and all modules of i3d that it imports need from the start."""
    files, packages, todo = set(), set(), [program]
    while todo:
        path = todo.pop()
        files.add(path)
        for name in imported(path):
            first, *_ = parts = name.split(".")
            if first == "i3d":
                below = [ROOT.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
                paths = {path for each in below for path in (each.with_suffix(".py"), each / "__init__.py")}
                todo += [path for path in paths - files if path.exists()]
            elif first not in sys.stdlib_module_names:
                packages.add(DISTRIBUTIONS.get(first, first))
    return packages


@pytest.mark.parametrize("path", sorted(ENVS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_uv_pin_the_same(path):
    for name, version in read_env(path)[1].items():
        assert REQUIRED.get(name) == version, f"{path.name}: {name}"


def test_conda_itself_installs_the_same_everywhere():
    assert len({tuple(read_env(path)[0]) for path in ENVS.glob("*.yaml")}) == 1


@pytest.mark.parametrize(("program", "env"), sorted(programs()))
def test_an_environment_has_what_its_program_imports(program, env):
    by_conda, by_pip = read_env(ENVS / env)
    assert needed(SCRIPTS / program) <= {*by_conda, *by_pip}


def test_the_environment_of_extract_has_every_network_of_the_requirements():
    assert {"torch", "torchvision", "timm"} <= set(read_env(ENVS / "extract.yaml")[1])


def test_every_rule_environment_exists():
    named = {
        name
        for rule in (ENVS.parent / "rules").glob("*.smk")
        for name in re.findall(r'"\.\./(envs/.+?)"', rule.read_text())
    }
    assert named and all((ENVS.parent / name).exists() for name in named)
