"""The configuration: defaults from the schema, clear refusals."""

import datetime
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.cli import parse_config

from i3d.config import as_dict, beyond_defaults, schema
from i3d.config import complete as settings
from i3d.errors import UserError
from i3d.settings import NumericSettings, Settings
from scripts import document_settings
from tests.support.paths import ROOT


def complete(config, *more):
    """The settings, as a dictionary."""
    return json.loads(json.dumps(as_dict(settings(config, *more))))


CONTRACT = {
    "videos": "dataset/videos",
    "features": "dataset/features",
    "subsets": [],
    "weights": "resources/i3d_r50_kinetics.pth",
    "model": "i3d_r50",
    "normalization": "inception",
    "sample_mode": "oversample",
    "frequency": 16,
    "clip_length": 16,
    "batch_size": 20,
    "device": "auto",
    "precision": "fp32",
    "fps": None,
    "decoder": "auto",
    "frames": "temp",
}


def test_suffixes_that_yaml_takes_for_numbers_are_suffixes():
    for suffixes in ([264, "mp4"], "[264, mp4]", "['264', mp4]"):
        assert complete({"extensions": suffixes})["extensions"] == ["264", "mp4"]


def test_defaults_are_the_contracts():
    config = complete({})
    assert {key: config[key] for key in CONTRACT} == CONTRACT


def test_given_values_stay():
    assert complete({"frequency": 8, "fps": 30})["frequency"] == 8


def test_a_tilde_is_the_home_folder_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = {"videos": "~/v", "features": "~/f/", "weights": "~/w.pth", "ground_truth": {"annotations": "~/a.csv"}}
    given |= {"lists": {"folder": "~/l"}, "crops": {"folder": "~/c", "root": "~/elsewhere"}}
    config = complete(given)
    assert (config["videos"], config["features"], config["weights"]) == ("/home/me/v", "/home/me/f/", "/home/me/w.pth")
    assert config["ground_truth"]["annotations"] == "/home/me/a.csv"
    assert (config["lists"]["folder"], config["crops"]["folder"]) == ("/home/me/l", "/home/me/c")
    assert config["crops"]["root"] == "~/elsewhere", "that may be another machine's"
    assert complete({"features": "a~/~"})["features"] == "a~/~"


@pytest.mark.parametrize(
    ("argument", "section", "key", "value"),
    [
        ("crops={test_crop: 0}", "crops", "test_crop", 0),
        ("crops={test_crop: 3.0}", "crops", "test_crop", 3),
        ("crops={test_crop: null}", "crops", "test_crop", None),
        ("lists={min_snippets: {test: 3.0}}", "lists", "min_snippets", {"test": 3}),
        ("lists={min_snippets: {test: 3, '2024': 2}}", "lists", "min_snippets", {"test": 3, "2024": 2}),
        ("lists={validation: {fraction: 0.25, seed: 7}}", "lists", "validation", {"fraction": 0.25, "seed": 7}),
        ("lists={categories: [007, on]}", "lists", "categories", ["007", "on"]),
        ("ground_truth={strict: true, annotations: 7}", "ground_truth", "strict", True),
        ("ground_truth={strict: true, annotations: 7}", "ground_truth", "annotations", "7"),
        ("crops={root: null}", "crops", "root", None),
    ],
)
def test_nested_settings_of_the_command_line_have_the_schemas_types(argument, section, key, value):
    found = complete(parse_config([argument]))[section][key]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("given", [16.0, "16.0"])
def test_a_whole_number_may_be_written_as_a_fraction(given):
    config = complete({"frequency": given, "batch_size": given, "longest_job": given, "fps": given})
    assert [repr(config[key]) for key in ("frequency", "batch_size", "longest_job", "fps")] == ["16"] * 3 + ["16.0"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$SCRATCH/features", "variables are not expanded here"),
        ("${SCRATCH}/features", "variables are not expanded here"),
        ("%TEMP%/features", "variables are not expanded here"),
        ("~nobody-of-that-name/x", "there is no such user"),
        ("s3://bucket/x", "addresses are not read"),
        ("file:/x", "addresses are not read"),
    ],
)
def test_what_nothing_expands_is_no_folders_name(tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(tmp_path)
    for settings_of in ({"features": path}, {"lists": {"folder": path}}, {"split_lists": {"test": [path]}}):
        with pytest.raises(UserError, match=f"invalid value .* of '[a-z_.]+'; {words}"):
            complete(settings_of)
    Path("$SCRATCH").mkdir()
    assert complete({"features": "$SCRATCH/features"})["features"] == "$SCRATCH/features", "it is one, as it is there"
    assert complete({"features": "./$OTHER"})["features"] == "./$OTHER"


def test_one_text_is_a_list_of_it():
    config = complete(parse_config(["subsets=test", "split_lists={train: a.txt, test: [b.txt, ~/c.txt]}"]))
    assert config["subsets"] == ["test"]
    for text, taken in (("*/normal*", "*/normal*"), ("2024", "2024"), ("2024-01-01", "2024-01-01"), ('"x"', "x")):
        assert complete(parse_config([f"subsets={text}"]))["subsets"] == [taken]
    assert complete(parse_config(["extensions=264"]))["extensions"] == ["264"]
    for argument in ("subsets=", "split_lists={train: []}"):
        with pytest.raises(UserError, match="invalid value"):
            complete(parse_config([argument]))
    assert config["split_lists"] == {"train": ["a.txt"], "test": ["b.txt", str(Path("~/c.txt").expanduser())]}


def test_null_on_the_command_line_is_none():
    assert complete(parse_config(["fps=null"]))["fps"] is None


def test_a_wrong_nested_setting_is_named():
    for argument, words in (
        ("crops={test_crop: ten}", "invalid value 'ten' of 'crops.test_crop'; expected a whole number or null"),
        ("lists={min_snippets: {test: few}}", "invalid value 'few' of 'lists.min_snippets.test'; expected a whole"),
        ("lists={validation: {fraction: 1}}", "invalid value 1 of 'lists.validation.fraction'.* below 1"),
    ):
        with pytest.raises(UserError, match=words):
            complete(parse_config([argument]))


def test_only_what_is_not_default_is_said_and_completes_to_the_same():
    given = {"test_split": "val", "lists": {"min_snippets": {"val": 2}, "validation": {"seed": 3}}, "frequency": 16}
    config = complete(given)
    said = beyond_defaults(settings(given), "test_split", "lists", "crops", "frequency")
    assert said == {key: given[key] for key in ("test_split", "lists")}
    assert complete(said) == config
    assert beyond_defaults(settings(given)) == said


def test_shipped_config_says_nothing_but_defaults():
    shipped = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert shipped == {key: complete({})[key] for key in shipped}


def test_every_key_has_a_description_and_a_default():
    def check(schema):
        for key, value in schema["properties"].items():
            assert value.get("description"), key
            if "properties" in value:
                check(value)
            else:
                assert "default" in value, key
        assert schema["additionalProperties"] is False

    check(schema())
    assert set(NumericSettings.__struct_fields__) - {"weights_sha256"} <= set(Settings.__struct_fields__)


@pytest.mark.parametrize(("given", "taken"), [("true", True), ("True", True), ("false", False), (True, True)])
def test_a_choice_of_several_types_is_taken_as_the_command_line_hands_it_over(given, taken):
    assert complete({"via_jpeg": given})["via_jpeg"] is taken


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"video": "x"}, "no key 'video'; did you mean 'videos'"),
        (
            {"subsets": [datetime.date(2024, 1, 1)]},
            "value '2024-01-01' of 'subsets.0'; expected a text; put it in quotes",
        ),
        ({"videos": False}, "invalid value 'false' of 'videos'; expected a text .*; put it in quotes"),
        ({"lists": {"folder:/path": None}}, "no key 'lists.folder:/path'; write a space after the colon"),
        ({"zzz": 1}, "no key 'zzz'; the keys are: videos, features"),
        (
            {"frequency": "often"},
            "invalid value 'often' of 'frequency'; expected a whole number of at least 1",
        ),
        ({"frequency": 0}, "invalid value 0 of 'frequency'"),
        ({"frequency": 16.5}, "invalid value 16.5 of 'frequency'; expected a whole number"),
        ({"frequency": 1e300}, "invalid value 1.* of 'frequency'; expected a whole number of at least 1 and at most"),
        ({"stall_seconds": 10**400}, "invalid value of 'stall_seconds'; expected `float` > 0"),
        ({"clip_length": True}, "invalid value True of 'clip_length'"),
        ({"precision": "fp8"}, "expected one of fp32, tf32, bf16, fp16"),
        ({"subsets": True}, r"expected a list like \[a, b\]"),
        ({"extensions": ["mp4", "a b"]}, "invalid value 'a b' of 'extensions.1'"),
        ({"fps": 0}, "expected a number or null above 0"),
        ({"via_jpeg": "yes"}, "expected one of false, true, old_ffmpeg"),
        ({"fps": 30, "via_jpeg": True}, "'fps' and 'via_jpeg' exclude each other"),
        ({"videos": None}, "expected a text"),
        ({"features": "{x}"}, "invalid value '{x}' of 'features'; expected a path without"),
        ({"videos": "<features>"}, "invalid value '<features>' of 'videos'"),
        ({"features": "-out"}, "invalid value '-out' of 'features'; expected a path that does not begin with a dash"),
        ({"fps": float("nan")}, "invalid value nan of 'fps'; expected a finite number"),
        ({"features": "x" * 300}, "invalid value x{40}... of 'features'; expected a path that a file system can hold"),
        ({"calibration": "y/" * 3000}, "of 'calibration'; expected a path that a file system can hold"),
        ({"features": "a\nb"}, r"expected a text without control characters"),
        ({"subsets": ["a\udcff"]}, r"invalid value 'a\\udcff' of 'subsets'"),
    ],
)
def test_a_wrong_key_is_named_with_what_to_write(config, words):
    with pytest.raises(UserError, match=words):
        complete(config)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(CONTRACT)), st.text(max_size=5)),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
            lambda value: st.lists(value, max_size=2) | st.dictionaries(st.text(max_size=3), value, max_size=2),
            max_leaves=4,
        ),
        max_size=4,
    )
)
def test_any_configuration_is_completed_or_refused_in_words(config):
    try:
        assert set(complete(config)) == set(schema()["properties"])
    except UserError as error:
        assert str(error).startswith("config: ")
        assert "\n" not in str(error)


def test_a_path_that_leaves_the_folder_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complete({"features": "../../features"})["features"] == str(tmp_path.parents[1] / "features")
    assert complete({"features": "out"}, "data/")["features"] == "data/out"
    assert complete({"features": "../out"}, "data/")["features"] == str(tmp_path.parent / "out")


def test_settings_are_frozen_and_typed():
    found = settings({"fps": 30, "subsets": ["a"], "lists": {"min_snippets": {"test": "3"}}})
    assert (found.fps, type(found.fps), found.subsets, found.lists.min_snippets) == (30.0, float, ("a",), {"test": 3})
    with pytest.raises(AttributeError):
        found.fps = 5


def test_the_files_that_come_from_the_settings_are_up_to_date():
    for path, content in document_settings.files().items():
        assert path.read_text() == content, f"run `make settings` ({path})"


@pytest.mark.parametrize(
    "text",
    [
        "subsets: &a [*a]",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
        "subsets: [*f,*f,*f,*f,*f,*f,*f,*f,*f]",
    ],
)
def test_yaml_that_unfolds_without_end_is_a_sentence(text):
    with pytest.raises(UserError, match="YAML aliases"):
        complete(yaml.safe_load(text))


def test_so_it_is_within_a_setting_given_as_text():
    with pytest.raises(UserError, match="YAML aliases"):
        complete({"subsets": "&a [*a]"})
