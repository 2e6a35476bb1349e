"""Whatever journals, catalog, plans, bundles, tables and calibration hold, planning ends in a plan or in a sentence,
nothing of the user's is touched, and only features that are whole count as present."""

import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.config import complete
from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.planning.plan import make_plan
from i3d.planning.tree_names import read_names
from i3d.records.work_folder import WorkFolder
from i3d.results.metadata import read_metadata
from scripts import aggregate, orphaned
from tests.planning.test_finished_tree import SETTINGS
from tests.support.calibrations import MEASURED
from tests.support.damage import damage
from tests.support.paths import ROOT

TREE = ROOT / "tests/golden/finished_tree"
ORPHAN = "train_val/non_anomaly/d"
STATE = {
    str(path.relative_to(TREE)): path.read_bytes()
    for path in TREE.rglob("*")
    if path.is_file() and (".i3d" in path.parts or path.parent.name == "features")
}
STATE["features/.i3d/trees.json"] = b'[["/mnt/here","/mnt/there"]]'
STATE["calibration.json"] = msgspec.json.encode({"calibrations": [MEASURED]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damages=st.lists(damage(STATE), min_size=1, max_size=2))
def test_damaged_state_costs_no_file_and_no_traceback(folder, damages):
    for name in ("videos", "features"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(TREE / name, folder / name)
    (folder / f"videos/{ORPHAN}.mp4").unlink()
    for name, content in (STATE | dict(damages)).items():
        Path(name).write_bytes(content)
    before = _files(folder)
    try:
        plan = make_plan(complete(SETTINGS | {"calibration": "calibration.json"}))
        plan.write()
    except UserError as error:
        assert "\n" not in str(error)
        return
    for record in plan.present.values():
        original = TREE / "features" / record.feature_file
        assert (folder / "features" / record.feature_file).read_bytes() == original.read_bytes()
    for program in (aggregate, orphaned):
        try:
            sys.argv = [program.__name__, "--plan", str(plan.path)]
            program.main()
            read_metadata(Path("features/metadata.csv"))
        except UserError as error:
            assert "\n" not in str(error)
    after = _files(folder)
    assert {name for name, digest in before.items() if after.get(name) != digest} <= {f"features/{ORPHAN}.npy"}
    assert read_names(WorkFolder.beside(Path("features")))


def _files(folder: Path) -> dict[str, str]:
    """The videos and features, with their digests."""
    paths = [*(folder / "videos").rglob("*"), *(folder / "features").rglob("*.npy")]
    return {str(path.relative_to(folder)): file_sha256(path) for path in paths if path.is_file()}
