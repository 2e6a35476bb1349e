"""Snakemake finds a logger by the name of its package: `snakemake --logger i3d`."""

import sys

try:
    from i3d.progress.logger import LogHandler
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("i3d."):
        raise
    sys.exit(f"error: {sys.modules['i3d'].__file__} is another package i3d; take its folder out of PYTHONPATH")

__all__ = ["LogHandler"]
