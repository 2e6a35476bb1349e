"""The files that people and services look for at the top of a repository: that they are true."""

import re
import tomllib

import pytest
import yaml

from tests.support.paths import ROOT

FAULTS = (ROOT / "docs/faults.md").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == (VERSION, str(citation["date-released"]))
    assert citation["version"] == VERSION


def named_paths() -> list[str]:
    """The files and folders that CONTRIBUTING names."""
    words = re.findall(r"`([^`\s]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    return sorted(
        {word for word in words if ("/" in word or word.endswith((".md", ".cff", ".toml"))) and "*" not in word}
    )


@pytest.mark.parametrize("path", named_paths())
def test_what_contributing_names_exists(path):
    places = [ROOT / path, ROOT / "i3d" / path]
    assert path == "tests/ROOM" or any(place.exists() for place in places)


def test_contributing_names_what_people_come_for():
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## To change X, open Y")[2].partition("**Add")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 9
    for subject, files in rows:
        assert 1 <= len(set(re.findall(r"`[\w/]+\.\w+`", files))) <= 3, subject


def test_the_tests_that_prove_the_promises_exist():
    file, found = ROOT, 0
    for name in re.findall(r"`([^`]*(?:test_\w+\.py|::test_\w+|tests/\w+/)[^`]*)`", FAULTS.partition("| fault |")[2]):
        path, _, test = name.partition("::")
        if path:
            file = ROOT / path if path.startswith("tests/") else ROOT / "tests/faults" / path
        assert file.exists(), name
        assert not test or f"def {test.removesuffix('...')}" in file.read_text(), name
        found += 1
    assert found > 40


def test_workflows_and_hooks_call_what_exists():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())["jobs"].values()
    assert job["steps"][-1]["run"] == "bash .ci/run"
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    programs = {hook["entry"].split()[0] for hook in local["hooks"]}
    assert programs == {".venv/bin/ruff", ".venv/bin/snakefmt", ".venv/bin/mypy"}
    assert (ROOT / ".ci/run").exists()


def test_the_readme_of_the_configuration_names_settings_that_exist():
    settings = yaml.safe_load((ROOT / "config/schema.yaml").read_text())["properties"]
    named = set(re.findall(r"`([a-z_]+)`", (ROOT / "config/README.md").read_text())) - {
        "random",
        "inception",
        "kinetics",
    }
    assert named and named <= set(settings)


def test_the_default_profile_holds_only_what_is_right_everywhere():
    default = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    shared = yaml.safe_load((ROOT / "profiles/shared/options.yaml").read_text())
    # Lists of resources would replace those of --profile.
    assert set(default) == {"logger", "keep-going", "show-failed-logs", "scheduler"}
    assert all(shared[key] == default[key] for key in ("logger", "scheduler"))
