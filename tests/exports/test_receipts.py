"""Files appear whole or not at all, and spoiled ones are found."""

import pytest

from i3d.errors import UserError
from i3d.exports.receipts import RECEIPTS, discard_spoiled, publish


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "lists"
    (folder / "crops").mkdir(parents=True)
    (folder / "crops/a__0.npy").write_bytes(b"12345")
    publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"a\n", folder / "test.json": b"{}"})
    publish(folder / RECEIPTS / "crops", {folder / "crops.json": b"{}"}, folder / "crops")
    return folder


def receipts(folder):
    return sorted(path.name for path in (folder / RECEIPTS).iterdir())


def test_nothing_is_spoiled_after_writing(folder):
    assert discard_spoiled(folder) == [] and receipts(folder) == ["crops", "test.list"]
    assert (folder / "test.list").read_bytes() == b"a\n"


@pytest.mark.parametrize(("name", "content"), [("test.list", b"b\n"), ("test.json", None), ("crops/a__0.npy", b"")])
def test_what_is_gone_or_overwritten_is_found_and_its_receipt_discarded(folder, name, content):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert discard_spoiled(folder) == [str(folder / name.partition("/")[0])]
    assert receipts(folder) == (["test.list"] if "crops" in name else ["crops"])
    assert discard_spoiled(folder) == []


def test_a_damaged_receipt_is_discarded_and_other_files_left_alone(folder):
    (folder / RECEIPTS / "crops").write_text("[1")
    (folder / "mine.json").write_text("{")
    assert discard_spoiled(folder) == [str(folder / RECEIPTS / "crops")]
    assert (folder / "mine.json").exists() and receipts(folder) == ["test.list"]


def test_after_a_failure_everything_is_as_before(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="cannot be written"):
        publish(folder / RECEIPTS / "x", {folder / "test.list": b"new", folder / ("n" * 300): b""})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
