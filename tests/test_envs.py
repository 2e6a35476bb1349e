"""The conda environments pin what the requirements pin."""

import re

import pytest
import yaml

from tests.support.paths import ROOT

ENVS = ROOT / "envs"


def pins(lines) -> dict[str, str]:
    return dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines)


REQUIRED = pins(line for line in (ENVS / "requirements.txt").read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("path", sorted(ENVS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_uv_pin_the_same(path):
    (packages,) = [
        entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)
    ]
    for name, version in pins(packages).items():
        assert REQUIRED.get(name) == version, f"{path.name}: {name}"


def test_every_rule_environment_exists():
    named = {
        name
        for rule in (ENVS.parent / "rules").glob("*.smk")
        for name in re.findall(r'"\.\./(envs/.+?)"', rule.read_text())
    }
    assert named and all((ENVS.parent / name).exists() for name in named)
