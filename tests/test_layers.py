"""The rooms of the package lie one above the other: nothing imports from a room above its own."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# From the ground up. What stands alone, as `files`, is a module of the package itself.
ROOMS = (
    *("errors", "paths", "files", "frame_folders", "digests", "quantities", "process", "commands", "snippets"),
    *("specs", "spelling", "backbones", "settings", "config", "command_line"),
    *("records", "frame_stream", "decoding", "results", "datasets", "cost", "network", "planning", "exports"),
    *("comparison", "report"),
    *("progress", "selfcheck", "cluster", "run_hooks"),
)
MODULES = sorted((ROOT / "i3d").rglob("*.py"))


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def imported(path: Path) -> set[str]:
    """The modules of the package that a module imports, also within functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "i3d":
            found |= {f"{node.module}.{name.name}" if node.module == "i3d" else node.module for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "i3d"}
    return found


def test_every_room_has_its_place():
    assert {path.relative_to(ROOT / "i3d").parts[0].removesuffix(".py") for path in MODULES} == {*ROOMS, "__init__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "i3d")))
def test_no_import_runs_upward(path):
    own = path.relative_to(ROOT / "i3d").parts[0].removesuffix(".py")
    if own != "__init__":
        above = {name for name in imported(path) if ROOMS.index(room_of(name)) > ROOMS.index(own)}
        assert above == set()
