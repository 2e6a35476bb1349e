"""Settings that the schema lets pass and nobody means: planning ends in a plan or in a sentence, whatever they are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.config import complete, schema
from i3d.decoding.probe import Probe
from i3d.errors import UserError
from i3d.exports.places import check_places
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


ANYTHING = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-2, 10**30), st.floats(), st.dates(), st.binary(max_size=3), PATHS),
        st.sampled_from(["null", "[a", "{a: b}", "1e999", "true", "*", "../x", "x.csv", "[[a]]", "2020-99-99"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.none()), inner, max_size=2),
    ),
    max_leaves=4,
)


def of_any_type(section: dict) -> st.SearchStrategy:
    """Some keys of a section of the settings, each with what it may hold or with anything that YAML can."""
    keys = {key: _of_any_type(own) for key, own in section["properties"].items()}
    return st.sets(st.sampled_from(sorted(keys)), max_size=3).flatmap(
        lambda chosen: st.fixed_dictionaries({key: keys[key] for key in sorted(chosen)})
    )


def _of_any_type(own: dict) -> st.SearchStrategy:
    if "properties" in own:
        return st.one_of(of_any_type(own), ANYTHING)
    if isinstance(free := own.get("additionalProperties"), dict):
        return st.one_of(st.dictionaries(st.text(max_size=3), _of_any_type(free), max_size=2), ANYTHING)
    return st.one_of(st.sampled_from(own["enum"]), ANYTHING) if "enum" in own else ANYTHING


@given(st.one_of(SETTINGS, of_any_type(schema())))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_settings_give_a_plan_or_a_sentence(tmp_path_factory, monkeypatch, changes):
    folder = tmp_path_factory.mktemp("project")
    (folder / "videos").mkdir()
    (folder / "videos/a.mp4").write_bytes(b"x")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(catalog, "probe_many", lambda paths, **options: [(path, Probe(frames=99)) for path in paths])
    try:
        config = complete({"videos": "videos", "weights": "random", "features": "features"} | changes)
        check_places(config)
        plan = make_plan(config)
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
