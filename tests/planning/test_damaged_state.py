"""Whatever journals, catalog, plans, bundles and tables hold, planning ends in a plan or in a sentence, nothing of the
user's is touched, and only features that are whole count as present."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.config import complete
from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.planning.plan import make_plan
from i3d.results.metadata import read_metadata
from scripts import aggregate, orphaned
from tests.planning.test_finished_tree import SETTINGS
from tests.support.paths import ROOT

TREE = ROOT / "tests/golden/finished_tree"
STATE = sorted(
    str(path.relative_to(TREE))
    for path in TREE.rglob("*")
    if path.is_file() and (".i3d" in path.parts or path.parent.name == "features")
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["../x", "/etc/passwd", "a\0b", "ok", "-1", "1e999", "test/../../x.npy"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


@st.composite
def damage(draw) -> tuple[str, bytes]:
    """A state file and a content for it that is nearly right: bytes changed, cut, doubled, or a value replaced."""
    name = draw(st.sampled_from(STATE))
    content = (TREE / name).read_bytes()
    how = draw(st.sampled_from(["bytes", "cut", "twice", "value", "value", "value"]))
    if how == "bytes" and content:
        place = draw(st.integers(0, len(content) - 1))
        return name, content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]
    if how == "cut":
        return name, content[: draw(st.integers(0, len(content)))]
    if how == "twice":
        return name, content + content
    return name, _with_a_value(draw, content)


def _with_a_value(draw, content: bytes) -> bytes:
    lines = content.split(b"\n") if content.count(b"\n{") else [content]
    which = draw(st.integers(0, len(lines) - 1))
    try:
        value = json.loads(lines[which])
    except ValueError:  # a table
        cells = content.split(b",")
        cells[draw(st.integers(0, len(cells) - 1))] = str(draw(VALUES)).encode(errors="replace")
        return b",".join(cells)
    place, key = {"": value}, ""
    for _ in range(draw(st.integers(0, 5))):
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place, key = inner, draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
    top = place is not value and key == ""
    place[key] = draw(VALUES)
    lines[which] = json.dumps(place[""] if top else value).encode(errors="surrogatepass")
    return b"\n".join(lines)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damages=st.lists(damage(), min_size=1, max_size=2))
def test_damaged_state_costs_no_file_and_no_traceback(folder, damages):
    for name in ("videos", "features"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(TREE / name, folder / name)
    for name, content in damages:
        Path(name).write_bytes(content)
    before = _files(folder)
    try:
        plan = make_plan(complete(SETTINGS))
        plan.write()
    except UserError as error:
        assert "\n" not in str(error)
        return
    for record in plan.present.values():
        original = TREE / "features" / record.feature_file
        assert (folder / "features" / record.feature_file).read_bytes() == original.read_bytes()
    try:
        for program in (aggregate, orphaned):
            sys.argv = [program.__name__, "--plan", str(plan.path), "--videos", "videos", "--features", "features"]
            program.main()
        read_metadata(Path("features/metadata.csv"))
    except UserError as error:
        assert "\n" not in str(error)
    after = _files(folder)
    assert {name for name, digest in before.items() if after.get(name) != digest} == set()


def _files(folder: Path) -> dict[str, str]:
    """The videos and features, with their digests."""
    paths = [*(folder / "videos").rglob("*"), *(folder / "features").rglob("*.npy")]
    return {str(path): file_sha256(path) for path in paths if path.is_file()}
