"""The end of a run: every video has a true record, and nothing finished is lost."""

import pytest

from i3d.planning.closing import NOT_DONE, remove_placeholders, run_records, tidy
from i3d.planning.plan import PlanFile
from i3d.records import journal
from i3d.records.record import SKIPPED, VideoRecord
from i3d.records.work_folder import WorkFolder
from tests.support.records import record, record_of_feature


@pytest.fixture
def run(tmp_path):
    """A tree after a run of two bundles: one ok, one failed, one found too short; the other bundle never finished, and
    had staged one feature and one failure."""
    work = WorkFolder.beside(tmp_path / "features")
    journal.append(
        work.journal("b"),
        [
            record_of_feature(work.features, "train_val/anomaly/ok.mp4"),
            record("test/anomaly/bad.mp4", "failed", reason="no frame for 60 s"),
            record("test/brief.mp4", "skipped", reason="too short: 9 frames"),
        ],
    )
    (work.features / "test").mkdir()
    (work.features / "test/brief.npy").touch()
    journal.append(
        work.journal("d"),
        [
            record_of_feature(work.staging, "test/late.mp4", bundle="d"),
            record("test/nan.mp4", "failed", reason="NaN", bundle="d"),
        ],
    )
    bundles = {
        "b": ["train_val/anomaly/ok", "test/anomaly/bad", "test/brief"],
        "d": ["test/late", "test/nan", "test/never"],
    }
    plan = PlanFile(
        made="now",
        settings={"model": "i3d_r50"},
        fingerprint="f",
        pending={f"{name}.mp4": bundle for bundle, names in bundles.items() for name in names},
        waiting=[],
        features={f"{name}.mp4": f"{name}.npy" for names in bundles.values() for name in names},
        skipped={"test/short.mp4": VideoRecord(video="test/short.mp4", status=SKIPPED, reason="too short: 16 frames")},
        elsewhere={},
    )
    return plan, work


def told(records):
    return {video: (record.status, record.reason) for video, record in records.items()}


TRUTH = {
    "test/anomaly/bad.mp4": ("failed", "no frame for 60 s"),
    "test/brief.mp4": ("skipped", "too short: 9 frames"),
    "test/late.mp4": ("ok", None),
    "test/nan.mp4": ("failed", "NaN"),
    "test/never.mp4": ("failed", NOT_DONE),
    "test/short.mp4": ("skipped", "too short: 16 frames"),
    "train_val/anomaly/ok.mp4": ("ok", None),
}


def test_every_video_has_a_true_record(run):
    plan, work = run
    for _ in range(2):  # a second time there is nothing to move
        records = run_records(plan, work)
        assert told(records) == TRUTH
        assert list(records) == sorted(records)
    assert (work.features / "test/late.npy").exists() and not (work.staging / "test/late.npy").exists()
    assert not (work.features / "test/brief.npy").exists(), "the stand-in for a skipped video's feature is gone"


def test_a_reason_of_an_earlier_run_is_not_told_as_this_ones(run):
    plan, work = run
    journal.append(work.journal("a"), [record("test/never.mp4", "failed", reason="long ago", bundle="a")])
    assert told(run_records(plan, work)) == TRUTH


def test_a_feature_that_is_not_the_recorded_one_is_not_ok(run):
    plan, work = run
    path = work.features / "train_val/anomaly/ok.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert run_records(plan, work)["train_val/anomaly/ok.mp4"].status == "failed"


def test_a_feature_that_cannot_be_put_in_place_stays_staged(run):
    plan, work = run
    (work.features / "test/brief.npy").unlink()
    (work.features / "test").rmdir()
    (work.features / "test").write_bytes(b"a file where a folder should be")
    late = run_records(plan, work)["test/late.mp4"]
    assert (late.status, late.reason) == ("failed", f"cannot write {work.features}/test/late.npy: File exists")
    assert (work.staging / "test/late.npy").exists()


def test_stand_ins_that_a_killed_run_left_are_removed_and_features_are_not(run):
    plan, work = run
    (work.features / "test/short.npy").touch()
    remove_placeholders(plan, work)
    assert not (work.features / "test/short.npy").exists()
    (work.features / "test/short.npy").write_bytes(b"somebody's")
    remove_placeholders(plan, work)
    assert (work.features / "test/short.npy").read_bytes() == b"somebody's"


def test_tidying_keeps_what_is_still_to_do(run):
    plan, work = run
    for path in (work.plans / "p.json", work.plans / "old.json", *map(work.bundle, "bdx"), work.extracted / "b"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    (work.root / ".1-2.part").write_text("")

    def left():
        return sorted(str(path.relative_to(work.root)) for path in work.root.rglob("*") if path.is_file())

    tidy(work, work.plans / "p.json", plan, keep_frames=False, keep_staging=False)
    lasting = ["bundles/b.json", "extracted/b", "journals/b.jsonl", "journals/d.jsonl", "plans/p.json"]
    assert left() == sorted([*lasting, "bundles/d.json", "staging/test/late.npy"])
    (work.extracted / "d").touch()
    tidy(work, work.plans / "p.json", plan, keep_frames=False, keep_staging=False)
    assert left() == sorted([*lasting, "bundles/d.json", "extracted/d"])
