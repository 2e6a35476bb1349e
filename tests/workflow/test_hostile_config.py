"""Settings that the schema lets pass and nobody means: planning ends in a plan or in a sentence, whatever they are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.config import complete
from i3d.decoding.probe import Probe
from i3d.errors import UserError
from i3d.planning import catalog
from i3d.planning.plan import make_plan
from tests.support.workflow import write_clip

PATHS = st.one_of(
    st.sampled_from(["", ".", "videos", "videos/a.mp4", "~", "a\0b", "a\nb", "x" * 300, "\udcff", "{work}"]),
    st.text(max_size=6),
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "videos": PATHS,
        "features": st.one_of(st.just("features"), st.sampled_from(["a\0b", "x" * 300, "videos/a.mp4", "\udcff"])),
        "weights": PATHS,
        "subsets": st.lists(PATHS, max_size=2),
        "extensions": st.lists(st.text(max_size=4), max_size=2),
        "frequency": st.integers(-1, 10**30),
        "clip_length": st.integers(),
        "fps": st.one_of(st.none(), st.floats(), st.sampled_from([float("inf"), float("nan"), 1e-300, 10**400])),
        "bundle_frames": st.integers(),
    },
)


@given(SETTINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_settings_give_a_plan_or_a_sentence(tmp_path_factory, monkeypatch, changes):
    folder = tmp_path_factory.mktemp("project")
    (folder / "videos").mkdir()
    (folder / "videos/a.mp4").write_bytes(b"x")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(catalog, "probe_many", lambda paths, **options: [(path, Probe(frames=99)) for path in paths])
    try:
        plan = make_plan(complete({"weights": "random", "features": "features"} | changes))
        plan.write()
    except UserError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert list(plan.videos)


@pytest.mark.parametrize("weights", ["videos", "nothing.pth"])
def test_weights_that_are_no_file_are_named(tmp_path, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "videos/a.mp4", 17)
    plan = make_plan(complete({"videos": "videos", "features": "features", "weights": weights}))
    assert list(plan.pending) == ["a.mp4"] and f"weights: cannot read {weights}" in str(plan.problem)
