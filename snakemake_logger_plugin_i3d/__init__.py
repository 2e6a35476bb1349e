"""Snakemake finds a logger by the name of its package: `snakemake --logger i3d`."""

from i3d.progress.logger import LogHandler

__all__ = ["LogHandler"]
