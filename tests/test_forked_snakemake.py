"""The tests' own Snakemake finds everything loaded that it is forked with."""

import sys
from pathlib import Path

from tests.support.forked_snakemake import ForkedSnakemake

CHECKED = ("snakemake.cli", "smart_open", "snakemake_executor_plugin_slurm", "rich.logging", "i3d", "numpy")


def write_loaded() -> None:
    Path("loaded").write_text(" ".join(name for name in CHECKED if name in sys.modules))


def test_others_packages_are_loaded_and_ours_is_not(tmp_path):
    forked = ForkedSnakemake(["--version"], tmp_path, tmp_path / "output", {"PATH": "/bin"}, write_loaded)
    assert forked.wait(60) == 0
    assert (tmp_path / "loaded").read_text().split() == [name for name in CHECKED if name != "i3d"]
