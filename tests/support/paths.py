"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
SUPPORT = ROOT / "tests" / "support"
SHARED = ROOT.parent / "shared"  # lies beside some checkouts; more of the same
