"""Exports appear whole or not at all, take nothing of anybody else's, and spoiled ones are found."""

import json

import pytest

from i3d.errors import UserError
from i3d.exports.receipts import RECEIPTS, Lazy, Link, publish, read_receipt, receipts_in, spoiled, withdraw

CROPS = "test/anomaly"
STATE = {"digest": "one"}


def lazy(content, key="k"):
    return Lazy(key, lambda: content)


def files_of(folder):
    return {folder / CROPS / "a__0.npy": lazy(b"12345"), folder / CROPS / "b": Link("../../test.list")}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "lists"
    publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"a\n", folder / "test.json": b"{}"}, STATE)
    publish(folder / RECEIPTS / "test", files_of(folder), STATE)
    return folder


def contents(folder):
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_files_and_their_state_are_on_a_receipt(folder):
    found = contents(folder)
    assert found.pop(f"{RECEIPTS}/test") and found.pop(f"{RECEIPTS}/test.list")
    assert found == {
        "test.list": b"a\n",
        "test.json": b"{}",
        f"{CROPS}/a__0.npy": b"12345",
        f"{CROPS}/b": "../../test.list",
    }
    assert list(receipts_in(folder)) == ["test", "test.list"]
    for receipt in receipts_in(folder).values():
        assert read_receipt(receipt).state == STATE and spoiled(receipt) == []


@pytest.mark.parametrize(
    ("name", "content"), [("test.list", b"b\n"), ("test.json", None), (f"{CROPS}/a__0.npy", b""), (f"{CROPS}/b", b"")]
)
def test_what_is_gone_or_overwritten_is_found_and_made_again_alone(folder, name, content):
    before = contents(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    receipt = folder / RECEIPTS / ("test" if name.startswith(CROPS) else "test.list")
    assert spoiled(receipt) == [folder / name]
    files = files_of(folder) if name.startswith(CROPS) else {folder / "test.list": b"a\n", folder / "test.json": b"{}"}
    assert publish(receipt, files, STATE) == [folder / name]
    assert contents(folder) == before


def test_what_is_as_it_should_be_is_not_written_again(folder):
    def never():
        raise AssertionError("made although nothing changed")

    places = [folder / CROPS / "a__0.npy", folder / CROPS / "b"]
    before = {path: path.lstat().st_ino for path in places}
    receipt = folder / RECEIPTS / "test"
    assert publish(receipt, {places[0]: Lazy("k", never), places[1]: Link("../../test.list")}, {"digest": "two"}) == []
    assert {path: path.lstat().st_ino for path in places} == before
    assert read_receipt(receipt).state == {"digest": "two"}
    assert publish(receipt, {places[0]: lazy(b"54321", "new"), places[1]: Link("../../test.list")}) == [places[0]]
    assert places[0].read_bytes() == b"54321"


def test_a_crash_between_receipt_and_file_is_not_taken_for_done(folder, monkeypatch):
    """The new content has the size of the old: only the key tells them apart."""
    path, receipt = folder / CROPS / "a__0.npy", folder / RECEIPTS / "test"
    files = {path: lazy(b"54321", "new")}

    def crash(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        original = type(path).replace
        patch.setattr(type(path), "replace", lambda s, t: crash(s, t) if t == path else original(s, t))
        with pytest.raises(KeyboardInterrupt):
            publish(receipt, files, {"digest": "two"})
    assert path.read_bytes() == b"12345" and read_receipt(receipt).state == {}
    publish(receipt, files, {"digest": "two"})
    assert path.read_bytes() == b"54321" and not (folder / CROPS / "b").is_symlink()


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


def test_an_export_that_is_no_longer_made_takes_only_its_own_along(folder):
    (folder / CROPS / "mine.npy").write_bytes(b"somebody's")
    (folder / "test.json").write_bytes(b"edited")
    assert withdraw(folder / RECEIPTS / "test.list") == [folder / "test.list"]
    assert len(withdraw(folder / RECEIPTS / "test")) == 2
    assert contents(folder) == {f"{CROPS}/mine.npy": b"somebody's", "test.json": b"edited"}
    with pytest.raises(UserError, match="test.json: not written by this workflow"):
        publish(folder / RECEIPTS / "test.list", {folder / "test.json": b"{}"})


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
@pytest.mark.parametrize("form", ["{marks}", '{{"state": {{}}, "files": {marks}}}'])
def test_a_receipt_that_names_a_place_elsewhere_deletes_nothing(folder, tmp_path, name, form):
    victim = tmp_path / "victim"
    victim.write_bytes(b"12345")
    marks = json.dumps({name.format(tmp=str(tmp_path)[1:]): {"bytes": 5}})
    (folder / RECEIPTS / "x").write_text(form.format(marks=marks))
    publish(folder / RECEIPTS / "x", {folder / "x": b"x"})
    (folder / RECEIPTS / "x").write_text(form.format(marks=marks))
    withdraw(folder / RECEIPTS / "x")
    assert victim.read_bytes() == b"12345"


def test_receipts_of_earlier_releases_are_read(folder):
    """They held the marks alone."""
    receipt = folder / RECEIPTS / "test.list"
    receipt.write_text(json.dumps(read_receipt(receipt).marks))
    assert read_receipt(receipt).state == {} and spoiled(receipt) == []
    assert publish(receipt, {folder / "test.list": b"new\n"}, STATE) == [folder / "test.list", folder / "test.json"]


@pytest.mark.parametrize(
    "content", ["[1", "[1]", '{"a": 1}', '{"files": 1, "state": {}}', pytest.param("[" * 100_000, id="deep")]
)
def test_a_damaged_receipt_names_nothing(folder, content):
    (folder / RECEIPTS / "test.list").write_text(content)
    assert list(receipts_in(folder)) == ["test"]
    with pytest.raises(UserError, match="not written by this workflow"):
        publish(folder / RECEIPTS / "test.list", {folder / "test.list": b"new"})


def test_a_receipt_that_names_what_no_file_can_be_called_names_the_others(folder):
    receipt = folder / RECEIPTS / "test.list"
    marks = read_receipt(receipt).marks
    receipt.write_text(json.dumps({"state": STATE, "files": {**marks, "\ud800": {"bytes": 1}, "a\0b": {"bytes": 1}}}))
    assert read_receipt(receipt).marks == marks
    assert spoiled(receipt) == []


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
