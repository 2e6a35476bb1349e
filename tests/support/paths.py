"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
SUPPORT = ROOT / "tests" / "support"
WORKERS = f"{ROOT}{os.pathsep}{SUPPORT}"  # as PYTHONPATH: where workers that misbehave are found, and what they import
SHARED = ROOT.parent / "shared"  # lies beside some checkouts; more of the same
