"""Writing files whole or not at all."""

import pytest

from i3d.errors import UserError
from i3d.files import part_of, write_atomically


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/x.json: (Not a directory|File exists)"):
        write_atomically(tmp_path / "file" / "x.json", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot write .*: Is a directory"):
        write_atomically(tmp_path / "folder", "")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("漢" * 85)  # 255 bytes
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    assert part_of(path) != part_of(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
