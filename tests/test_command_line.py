"""Settings as programs take them on their command lines, and from files."""

import argparse
import json

import pytest

from i3d.command_line import (
    CONFIG,
    LAST_CONFIG,
    add_all_settings,
    add_arguments,
    configuration,
    read_config,
    read_setting,
)
from i3d.config import beyond_defaults, complete
from i3d.errors import UserError

NO_YAML = ["[a", "2020-99-99", "[" * 5000, "a: b: c", "!!python/object:os.system x", "\0"]


@pytest.mark.parametrize("text", NO_YAML, ids=range(len(NO_YAML)))
def test_what_is_no_yaml_is_one_sentence(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    for read, given in ((read_config, path), (read_setting, f"subsets={text}")):
        with pytest.raises(UserError, match=r"cannot be read as YAML \(.*\); correct") as caught:
            read(given)
        assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_and_other_encodings_are_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("lists:\n  folder: a\n  folder: b\n")
    with pytest.raises(
        UserError, match=r"config.yaml: cannot be read as YAML \(the key 'folder' stands twice in .*line 2"
    ):
        read_config(path)
    path.write_bytes("videos: é".encode("latin-1"))
    with pytest.raises(UserError, match="config.yaml: not in UTF-8"):
        read_config(path)
    path.write_bytes("\ufeffvideos: é\r\n".encode())
    assert read_config(path) == {"videos": "é"}
    path.write_text("base: &base {folder: a}\nmore: &more {<<: *base, folder: b}\nlists: {<<: *more}\n1: x\n'1': y\n")
    assert read_config(path)["lists"] == {"folder": "b"}, "merged keys are no second ones"
    path.write_text('{\t"videos": "a",\n\t"1": 2}')
    assert read_config(path) == {"videos": "a", "1": 2}, "JSON, as Snakemake reads it"
    path.write_text("# nothing is set\n")
    assert read_config(path) == {}


def test_what_is_no_setting_is_one_sentence(tmp_path):
    (tmp_path / "config.yaml").write_text("[videos]")
    with pytest.raises(UserError, match="must hold keys and values"):
        read_config(tmp_path / "config.yaml")
    with pytest.raises(UserError, match="write KEY=VALUE"):
        read_setting("videos")
    assert read_setting("subsets=[a, b]") == ("subsets", ["a", "b"])


def test_without_options_the_last_run_counts_and_with_some_it_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, text in ((CONFIG, "frequency: 8"), (LAST_CONFIG, "videos: last")):
        path.parent.mkdir()
        path.write_text(text)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for given, videos in (([], "last"), (["--config", "features=f"], "dataset/videos")):
        settings = configuration(parser.parse_args(given))
        assert (settings.videos, settings.frequency) == (videos, 8)
    assert configuration(parser.parse_args(["--configfile", str(LAST_CONFIG)])).frequency == 16


def settings_of(text: str):
    parser = argparse.ArgumentParser()
    add_all_settings(parser)
    return parser.parse_args(["--settings", text]).settings


@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_settings_of_the_rules_are_read_as_they_were_written(ensure_ascii):
    given = complete({"videos": "\U0001f600/videos é", "stall_seconds": 1e-05, "lists": {"categories": ["on", "007"]}})
    text = json.dumps(beyond_defaults(given), ensure_ascii=ensure_ascii)
    assert complete(settings_of(text)) == given


def test_settings_written_by_hand_may_be_yaml(capsys):
    assert settings_of("{videos: a b, subsets: [c]}") == {"videos": "a b", "subsets": ["c"]}
    for text in NO_YAML[:5]:
        with pytest.raises(SystemExit):
            settings_of(text)
        said = capsys.readouterr().err.splitlines()[-1]
        assert "argument --settings: cannot be read as YAML (" in said and said.endswith("; correct it")
