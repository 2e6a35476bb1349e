"""Exports appear whole or not at all, take nothing of anybody else's, and spoiled ones are found."""

import json

import pytest

from i3d.errors import UserError
from i3d.exports.receipts import RECEIPTS, Link, discard_spoiled, publish

CROPS = "test/anomaly"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "lists"
    publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"a\n", folder / "test.json": b"{}"})
    publish(
        folder / RECEIPTS / "test",
        {folder / CROPS / "a__0.npy": lambda: b"12345", folder / CROPS / "b": Link("../../test.list")},
    )
    return folder


def contents(folder):
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_nothing_is_spoiled_after_writing(folder):
    assert discard_spoiled(folder) == []
    found = contents(folder)
    assert found.pop(f"{RECEIPTS}/test") and found.pop(f"{RECEIPTS}/test.list")
    assert found == {
        "test.list": b"a\n",
        "test.json": b"{}",
        f"{CROPS}/a__0.npy": b"12345",
        f"{CROPS}/b": "../../test.list",
    }


@pytest.mark.parametrize(
    ("name", "content"), [("test.list", b"b\n"), ("test.json", None), (f"{CROPS}/a__0.npy", b""), (f"{CROPS}/b", b"")]
)
def test_what_is_gone_or_overwritten_is_found_and_made_again(folder, name, content):
    before = contents(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    assert discard_spoiled(folder) == [str(folder / name)]
    receipt = "test" if name.startswith(CROPS) else "test.list"
    assert not (folder / RECEIPTS / receipt).exists(), "Snakemake makes it again"
    assert discard_spoiled(folder) == []
    files = {"test.list": {"test.list": b"a\n", "test.json": b"{}"}}
    files["test"] = {f"{CROPS}/a__0.npy": lambda: b"12345", f"{CROPS}/b": Link("../../test.list")}
    publish(folder / RECEIPTS / receipt, {folder / each: new for each, new in files[receipt].items()})
    assert contents(folder) == before


def test_files_that_an_export_no_longer_has_are_removed_and_no_others(folder):
    (folder / CROPS / "mine.npy").write_bytes(b"somebody's")
    (folder / "test/empty").mkdir()
    publish(folder / RECEIPTS / "test", {folder / "test/c": b"c"})
    assert set(contents(folder / "test")) == {"anomaly/mine.npy", "c"}
    assert (folder / "test/empty").is_dir()
    (folder / "test/c").write_bytes(b"edited")
    publish(folder / RECEIPTS / "test", {folder / "test/d": b"d"})
    assert contents(folder / "test") == {"anomaly/mine.npy": b"somebody's", "c": b"edited", "d": b"d"}
    assert (folder / "test.list").exists(), "the other export's"


@pytest.mark.parametrize("stranger", [b"somebody's", None])
def test_a_file_or_folder_that_we_did_not_write_is_never_replaced(folder, stranger):
    path = folder / "val.list"
    path.mkdir() if stranger is None else path.write_bytes(stranger)
    before = contents(folder)
    with pytest.raises(UserError, match=r"val.list: not written by this workflow.*move it away"):
        publish(folder / RECEIPTS / "val.list", {folder / "other": b"o", path: b"ours"})
    assert contents(folder) == before


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/x.mp4").write_bytes(b"video")
    (folder / "val").symlink_to(tmp_path / "videos")
    with pytest.raises(UserError, match="not written by this workflow"):
        publish(folder / RECEIPTS / "val", {folder / "val/y.npy": b"y"})
    assert contents(tmp_path / "videos") == {"x.mp4": b"video"}


@pytest.mark.parametrize("name", ["../../victim", "/{tmp}/victim", "test/../../victim"])
def test_a_receipt_that_names_a_place_elsewhere_deletes_nothing(folder, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_bytes(b"12345")
    marks = {name.format(tmp=str(tmp_path)[1:]): {"bytes": 5}}
    (folder / RECEIPTS / "x").write_text(json.dumps(marks))
    publish(folder / RECEIPTS / "x", {folder / "x": b"x"})
    assert victim.read_bytes() == b"12345"


@pytest.mark.parametrize("content", ["[1", "[1]", '{"a": 1}', "[" * 100_000])
def test_a_damaged_receipt_is_put_aside_and_other_files_left_alone(folder, content):
    (folder / RECEIPTS / "crops").write_text(content)
    (folder / "mine.json").write_text("{")
    assert discard_spoiled(folder) == [str(folder / RECEIPTS / "crops")]
    assert (folder / "mine.json").exists() and (folder / RECEIPTS / "test.list").exists()


def test_after_a_failure_everything_is_as_before(folder):
    before = contents(folder)
    with pytest.raises(UserError, match="cannot be written"):
        publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"new", folder / ("n" * 300): b""})
    assert contents(folder) == before


def test_what_a_killed_process_left_aside_is_cleared(folder):
    aside = folder / RECEIPTS / "test.list.parts"
    aside.mkdir()
    (aside / "0").write_bytes(b"half")
    publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"a\n"})
    assert not aside.exists()
