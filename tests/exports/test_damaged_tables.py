"""Whatever metadata.csv, receipts and sheets hold, exports end in files of theirs or in a sentence, and take no file of
anybody else's."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.config import complete
from i3d.errors import UserError
from i3d.exports.making import make
from i3d.exports.receipts import read_receipt
from tests.exports.test_making import LISTED
from tests.support.bystanders import lost, plant, snapshot
from tests.support.damage import damage
from tests.support.finished_trees import annotate, write_tree

TARGETS = ("lists", "ground_truth", "vadclip", "tevad_s3r")
EVENTS = ("f,3,9,theft", "g,0,20,fight")
SETTINGS = {
    "features": "features",
    "lists": {"folder": "lists"},
    "crops": {"folder": "crops"},
    "ground_truth": {"annotations": "annotations.csv"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A finished tree with exports, and files of somebody else's among them."""
    folder = tmp_path_factory.mktemp("made")
    write_tree(folder, LISTED, dim=4)
    annotate(folder, *EVENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for target in TARGETS:
            assert make(target, Path("features/metadata.csv"), complete(SETTINGS)).errors == []
    plant(folder / "lists", folder / "lists/i3d", folder / "crops", folder / "crops/test", folder / "features/test")
    return folder


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_cost_no_file_and_no_traceback(made, tmp_path, monkeypatch, data):
    tables = [*made.rglob(".written/*"), made / "features/metadata.csv", made / "annotations.csv"]
    files = {str(path.relative_to(made)): path.read_bytes() for path in tables}
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    ours = {name for path in made.rglob(".written/*") for name in _named_by(path, made)}
    for name, content in data.draw(st.lists(damage(files), min_size=1, max_size=2)):
        Path(name).write_bytes(content)
    before = snapshot(Path("lists"), Path("crops"), Path("features"))
    for target in data.draw(st.permutations(TARGETS)):
        try:
            errors = make(target, Path("features/metadata.csv"), complete(SETTINGS)).errors
        except UserError as error:
            errors = [str(error)]
        assert not [error for error in errors if "\n" in error]
    gone = lost(before, snapshot(Path("lists"), Path("crops"), Path("features")))
    assert {path for path in gone if "/.written/" not in path} <= ours


def _named_by(receipt: Path, root: Path) -> set[str]:
    return {str((receipt.parents[1] / name).relative_to(root)) for name in read_receipt(receipt).marks}
