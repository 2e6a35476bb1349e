"""What pyproject.toml cannot say: an installed package holds the folders that it reads beside it in a clone."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("scripts", "config/datasets", "profiles")


class BuildWithFolders(build_py):
    """Puts them where `i3d.paths.workflow_folder` looks."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder in FOLDERS:
                shutil.copytree(
                    folder,
                    Path(self.build_lib, "i3d", "workflow", folder),
                    ignore=shutil.ignore_patterns("__pycache__", "*.sh", "*.md"),
                    dirs_exist_ok=True,
                )


setup(cmdclass={"build_py": BuildWithFolders})
