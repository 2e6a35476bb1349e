"""Journals: what they hold, and what of them is believed."""

import os

import msgspec
import numpy as np
import pytest

from i3d.errors import UserError
from i3d.records import journal
from i3d.records.work_folder import WorkFolder
from tests.support.records import record, record_of_feature


def test_records_read_back_in_order(tmp_path):
    path = tmp_path / "journals" / "b.jsonl"
    written = [record("test/a.mp4", fps=29.97, reason='quotes " and \n'), record("test/b.mp4", "failed", reason="é")]
    for each in written:
        journal.append(path, [each])
    assert list(journal.read(path)) == written


NOISE = [
    b"not json",
    b"[]",
    b'{"video": 1, "status": "ok"}',
    b'{"video": "a.mp4"}',
    b'{"video": "a.mp4", "status": "perfect"}',
    b'{"video": "a.mp4", "status": "ok", "frames_decoded": "many"}',
    b'{"video": "\xff\xfe.mp4", "status": "ok"}',
    b"[" * 100_000,
    b'{"video": "a.mp4", "status": "ok", "reason": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"\0" * 4096,
]


def test_lines_that_are_no_records_cost_themselves_alone(tmp_path):
    path = tmp_path / "b.jsonl"
    lines = [msgspec.json.encode(record(f"{number}.mp4")) for number in range(len(NOISE) + 1)]
    path.write_bytes(b"\n".join(line for pair in zip(lines, [*NOISE, b""], strict=True) for line in pair))
    assert [each.video for each in journal.read(path)] == [f"{number}.mp4" for number in range(len(NOISE) + 1)]


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_bytes(msgspec.json.encode(record("a.mp4"))[:40])
    journal.append(path, [record("b.mp4")])
    assert [each.video for each in journal.read(path)] == ["b.mp4"]


def test_what_is_no_journal_holds_nothing(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    assert [list(journal.read(tmp_path / name)) for name in ("folder.jsonl", "missing.jsonl")] == [[], []]


def test_all_journals_the_newest_record_last(tmp_path):
    work = WorkFolder(tmp_path)
    journal.append(work.journal("b"), [record("a.mp4", finished="2026-02"), record("b.mp4", finished="2026-02")])
    journal.append(work.journal("z"), [record("a.mp4", "failed", finished="2026-01")])
    found = journal.read_all(work)
    assert [each.status for each in found["a.mp4"]] == ["failed", "ok"]
    assert len(found) == 2


def test_an_unknown_field_of_another_release_is_passed_over(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text('{"video": "a.mp4", "status": "ok", "feature_mtime_ns": 12, "new": {"x": 1}}\n')
    assert [each.video for each in journal.read(path)] == ["a.mp4"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: np.save(path, np.zeros((2, 10, 2048), np.float32)),
        lambda path: np.save(path, np.ones((1, 10, 2048), np.float32)),
    ],
)
def test_a_record_vouches_for_its_own_feature_alone(tmp_path, spoil):
    vouching = record_of_feature(tmp_path, "test/a.mp4")
    feature = tmp_path / "test/a.npy"
    os.utime(feature, (1, 1))
    assert journal.is_of(vouching, feature), "a copy has another time, and the same content"
    spoil(feature)
    assert not journal.is_of(vouching, feature)


def test_what_an_earlier_attempt_finished(tmp_path):
    path, staging = tmp_path / "b.jsonl", tmp_path / "staging"
    done = record_of_feature(staging, "test/done.mp4")
    lost = record_of_feature(staging, "test/lost.mp4")
    (staging / "test/lost.npy").unlink()
    other = record_of_feature(staging, "test/other.mp4", fingerprint="g")
    journal.append(path, [done, lost, other, record("test/bad.mp4", "failed", reason="NaN")])
    assert journal.finished(path, staging, "f") == {"test/done.mp4": done}


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/b\.jsonl"):
        journal.append(tmp_path / "file" / "b.jsonl", [record("a.mp4")])


UNSOUND = {
    "absolute feature": {"feature_file": "/etc/passwd"},
    "feature above the tree": {"feature_file": "../../victim.txt"},
    "feature of another name": {"feature_file": "metadata.csv"},
    "feature on the way out": {"video": "test/../../x.mp4", "feature_file": "test/../../x.npy"},
    "absolute video": {"video": "/videos/x.mp4", "feature_file": "/videos/x.npy"},
    "empty video": {"video": "", "feature_file": ""},
    "bundle with a path": {"bundle": "../../x"},
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_records_whose_paths_lead_elsewhere_are_ignored_and_said(tmp_path, capsys, kind):
    good = record_of_feature(tmp_path, "test/good.mp4")
    bad = msgspec.structs.replace(good, **{"video": "test/bad.mp4", "feature_file": "test/bad.npy", **UNSOUND[kind]})
    path = tmp_path / "b.jsonl"
    journal.append(path, [good, bad, good])
    assert list(journal.read(path)) == [good, good]
    assert list(journal.read(path)) == [good, good]
    said = capsys.readouterr().err
    assert said.count("a damaged record is ignored") == 1 and str(path) in said, "once"


def test_records_of_folders_of_pictures_are_sound(tmp_path):
    """Whose features keep the whole name."""
    path = tmp_path / "b.jsonl"
    written = [record("test/x.1", feature_file="test/x.1.npy"), record("test/x", feature_file="test/x.npy")]
    journal.append(path, [*written, record("test/x.1", feature_file="test/x.1.1.npy")])
    assert list(journal.read(path)) == written


def test_a_journal_that_must_not_be_read_is_an_error_and_not_an_empty_one(tmp_path, monkeypatch):
    path = tmp_path / ".i3d/journals/b.jsonl"
    journal.append(path, [record("x.mp4", "failed")])

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(journal, "read_file", refuse)
    with pytest.raises(UserError, match=r"b.jsonl: cannot be read \(Permission denied\).*chmod -R g\+rwX .*/.i3d`"):
        list(journal.read(path))
