"""Settings as programs take them on their command lines, and from files."""

import pytest

from i3d.command_line import read_config, read_setting
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


def test_what_is_no_setting_is_one_sentence(tmp_path):
    (tmp_path / "config.yaml").write_text("[videos]")
    with pytest.raises(UserError, match="must hold keys and values"):
        read_config(tmp_path / "config.yaml")
    with pytest.raises(UserError, match="write KEY=VALUE"):
        read_setting("videos")
    assert read_setting("subsets=[a, b]") == ("subsets", ["a", "b"])
