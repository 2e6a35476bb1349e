"""Stands in for imageio-ffmpeg, 30 MB, on the GPU machine: bench/baseline.py and the tests import it."""

from pathlib import Path


def get_ffmpeg_exe() -> str:
    """The program beside this file."""
    return str(Path(__file__).with_name("ffmpeg"))


def get_ffmpeg_version() -> str:
    """That of the program that the tests are written for."""
    return "7.0"
