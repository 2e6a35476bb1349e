"""Records: what they vouch for, and what they do not."""

import json
import os

import numpy as np
import pytest

from i3d.digests import video_digest
from i3d.errors import UserError
from i3d.records import outcomes
from i3d.records.outcomes import (
    OK,
    Checksums,
    Staged,
    Work,
    changed,
    feature_is,
    read_outcomes,
    stage,
    staged,
    write_atomically,
    write_outcomes,
)

ENTRY = {"video": "test/a.mp4", "feature": "test/a.npy", "digest": "d"}


@pytest.fixture
def record(tmp_path) -> dict:
    """The record of a staged feature in tmp_path."""
    (tmp_path / "test").mkdir()
    np.save(tmp_path / "test/a.npy", np.ones((2, 10, 2048), np.float32))
    record = {"video": "test/a.mp4", "status": OK, "digest": "d", "fingerprint": "f", "reason": None, "finished": "1"}
    stage(Staged(tmp_path / "test/a.npy"), record)
    return record


def test_a_staged_video_is_known_again(tmp_path, record):
    assert staged(tmp_path, ENTRY, "f") == record


@pytest.mark.parametrize(("entry", "fingerprint"), [(ENTRY | {"digest": "other"}, "f"), (ENTRY, "other")])
def test_other_content_or_settings_are_not_done(tmp_path, record, entry, fingerprint):
    assert staged(tmp_path, entry, fingerprint) is None


def test_a_damaged_record_is_no_record(tmp_path, record):
    Staged(tmp_path / "test/a.npy").record.write_text('{"video": "te')
    assert staged(tmp_path, ENTRY, "f") is None


def test_a_feature_is_known_by_its_time_or_its_content(tmp_path, record):
    feature = tmp_path / "test/a.npy"
    assert feature_is(record, feature)
    os.utime(feature)
    assert feature_is(record, feature), "a copy has another time, and the same content"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: np.save(path, np.zeros((2, 10, 2048), np.float32)),
        lambda path: np.save(path, np.ones((1, 10, 2048), np.float32)),
    ],
)
def test_a_truncated_or_foreign_feature_is_not_trusted(tmp_path, record, spoil):
    feature = tmp_path / "test/a.npy"
    spoil(feature)
    assert not feature_is(record, feature)


def test_the_newest_record_counts_and_noise_does_not(tmp_path):
    folder = Work.beside(tmp_path).outcomes
    old, new = ({"video": "a", "finished": day, "status": status} for day, status in (("1", "failed"), ("2", OK)))
    write_outcomes(folder / "b.jsonl", [old])
    write_outcomes(folder / "a.jsonl", [new])
    (folder / "c.jsonl").write_text('not json\n[]\n{"video": 1}\n' + json.dumps({"video": "z", "finished": "1"}) + "\n")
    assert read_outcomes(folder) == {"a": new, "z": {"video": "z", "finished": "1"}}


def test_a_feature_in_place_is_read_once(tmp_path, monkeypatch):
    work = Work.beside(tmp_path)
    feature = tmp_path / "test/a.npy"
    feature.parent.mkdir()
    feature.write_bytes(b"features")
    reads = []
    monkeypatch.setattr(outcomes, "file_sha256", lambda path: reads.append(path) or "sum")
    for _ in range(2):
        checksums = Checksums(work)
        assert checksums.of(feature) == "sum"
        checksums.save()
    assert len(reads) == 1
    os.utime(feature, (1, 1))
    assert Checksums(work).of(feature) == "sum"
    assert len(reads) == 2, "another time may mean another content"
    for damage in ("{", "[]", '{"test/a.npy": [8, 1]}', '{"test/a.npy": 3}'):
        work.checksums.write_text(damage)
        assert Checksums(work).of(feature) == "sum"


def test_a_video_that_changed_or_vanished_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"planned")
    entry = {"path": str(path), "digest": video_digest(path)}
    assert changed(entry) is None
    path.write_bytes(b"another")
    assert changed(entry) == "the video was changed during the run; the next run takes it as it is then"
    path.unlink()
    assert changed(entry) == "the video can no longer be read (No such file or directory)"


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/x.json: (Not a directory|File exists); mend that"):
        write_atomically(tmp_path / "file" / "x.json", "")
    with pytest.raises(UserError, match="cannot write .*: Is a directory"):
        (tmp_path / "folder").mkdir()
        write_atomically(tmp_path / "folder", "")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
