"""The end of a run: every video has a true row, the account is of this run alone, and nothing finished is lost."""

import itertools

import pytest

from i3d.decoding.probe import Probe
from i3d.planning import closing
from i3d.planning.closing import NOT_DONE_REASON, remove_placeholders, tidy
from i3d.planning.plan import PendingVideo, PlanFile
from i3d.records import journal
from i3d.records.record import SKIPPED, VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.settings import NumericSettings
from tests.support.records import record, record_of_feature

SETTINGS = NumericSettings()
PROBE = Probe(frames=99, exact=True, fps=25.0, width=4, height=2)


def plan_of(bundles: dict[str, list[str]], **more) -> PlanFile:
    """A plan for these videos, by their bundle."""
    videos = {f"{name}.mp4": bundle for bundle, names in bundles.items() for name in names}
    given = {
        "videos": "videos",
        "made": "now",
        "settings": SETTINGS,
        "fingerprint": "f",
        "pending": {video: PendingVideo(bundle, video, PROBE) for video, bundle in videos.items()},
        "waiting": [],
        "features": {video: f"{video[:-4]}.npy" for video in videos},
        "skipped": {},
        "elsewhere": {},
        "stale": {},
    }
    return PlanFile(**(given | more))


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
    short = VideoRecord(video="test/short.mp4", status=SKIPPED, reason="too short: 16 frames")
    return plan_of(bundles, skipped={"test/short.mp4": short}), work


def told(account):
    return {video: (row.status, row.reason) for video, row in account.rows.items()}


TRUTH = {
    "test/anomaly/bad.mp4": ("failed", "no frame for 60 s"),
    "test/brief.mp4": ("skipped", "too short: 9 frames"),
    "test/late.mp4": ("ok", None),
    "test/nan.mp4": ("failed", "NaN"),
    "test/never.mp4": ("not done", NOT_DONE_REASON),
    "test/short.mp4": ("skipped", "too short: 16 frames"),
    "train_val/anomaly/ok.mp4": ("ok", None),
}


def test_every_video_has_a_true_row_and_the_account_is_of_this_run(run):
    plan, work = run
    for _ in range(2):  # a second time there is nothing to move
        account = closing.close(plan, work)
        assert told(account) == TRUTH
        assert list(account.rows) == sorted(account.rows)
        assert sorted(account.made) == ["test/late.mp4", "train_val/anomaly/ok.mp4"] and account.moved == []
        assert account.failed == {"test/anomaly/bad.mp4": "no frame for 60 s", "test/nan.mp4": "NaN"}
        assert account.not_done == {"test/never.mp4": NOT_DONE_REASON}
    assert (work.features / "test/late.npy").exists() and not (work.staging / "test/late.npy").exists()
    assert not (work.features / "test/brief.npy").exists(), "the stand-in for a skipped video's feature is gone"
    never = account.rows["test/never.mp4"]
    assert (never.frames_declared, never.fps, never.width, never.height) == (99, 25.0, 4, 2)


def test_a_reason_of_an_earlier_run_is_not_this_ones(run):
    plan, work = run
    journal.append(work.journal("a"), [record("test/never.mp4", "failed", reason="long ago", bundle="a")])
    assert told(closing.close(plan, work)) == TRUTH


# One video: what was there before this run x what the run set out to do x how it ended.
BEFORE = {
    "nothing": {},
    "this feature": {"fingerprint": "f"},
    "other settings": {"fingerprint": "g", "normalization": "kinetics", **{"model": SETTINGS.model}},
    "other content": {"fingerprint": "f", "digest": "older"},
}
OUTCOMES = ("made", "failed", "skipped", "nothing")
KINETICS = "made under other settings: normalization kinetics, not inception"
EARLIER = "the feature in place is of the video's earlier content; "


def expected(before: str, outcome: str) -> tuple[tuple[str, str | None], str]:
    """Status and reason of the row, and the part of the account that has the video."""
    part = {"made": "made", "failed": "failed", "nothing": "not_done", "skipped": ""}[outcome]
    trouble = {"failed": "no memory", "nothing": NOT_DONE_REASON}.get(outcome)
    if outcome == "made":
        return ("ok", None), part
    if outcome == "skipped":
        return ("skipped", "too short"), part
    if before == "this feature":
        return ("ok", None if outcome == "nothing" else trouble), "kept" if outcome == "nothing" else part
    if before == "other settings":
        return ("ok", f"{KINETICS}; {trouble}"), part
    status = "failed" if outcome == "failed" else "not done"
    return (status, f"{EARLIER}{trouble}" if before == "other content" else trouble), part


@pytest.mark.parametrize(("before", "outcome"), itertools.product(BEFORE, OUTCOMES))
def test_rows_are_what_is_and_the_account_is_what_this_run_did(tmp_path, before, outcome):
    work = WorkFolder.beside(tmp_path / "features")
    columns = SETTINGS.columns
    if before != "nothing":
        values = columns | {"bundle": "old", "digest": "t/x.mp4"} | BEFORE[before]
        journal.append(work.journal("old"), [record_of_feature(work.features, "t/x.mp4", 1.0, **values)])
    if outcome == "made":
        made = record_of_feature(work.staging, "t/x.mp4", 2.0, **columns, bundle="new", finished="2026-02-01")
        journal.append(work.journal("new"), [made])
    elif outcome != "nothing":
        reason = {"failed": "no memory", "skipped": "too short"}[outcome]
        again = record("t/x.mp4", outcome, reason=reason, bundle="new", finished="2026-02-01")
        journal.append(work.journal("new"), [again])
    account = closing.close(plan_of({"new": ["t/x"]}), work)
    (row,) = account.rows.values()
    wanted, part = expected(before, outcome)
    assert (row.status, row.reason) == wanted
    parts = {name: list(getattr(account, name)) for name in ("made", "moved", "failed", "not_done", "kept")}
    assert {name: videos for name, videos in parts.items() if videos} == ({part: ["t/x.mp4"]} if part else {})
    if row.status == "ok" and outcome != "made":
        assert row.normalization == BEFORE[before].get("normalization", "inception"), "its own settings"


def test_features_that_are_present_or_only_moved_are_not_made(tmp_path):
    work = WorkFolder.beside(tmp_path / "features")
    present = record_of_feature(work.features, "t/present.mp4")
    moved = record_of_feature(work.staging, "t/moved.mp4")
    gone = record("t/gone.mp4", feature_file="t/gone.npy", feature_size=3, feature_sha256="0")
    journal.append(work.journal("b"), [present, moved, gone])
    plan = plan_of({"new": ["t/present", "t/moved", "t/gone"]}, pending={}, waiting=["t/moved.mp4"])
    account = closing.close(plan, work)
    assert (account.made, account.moved, account.failed, account.not_done) == ([], ["t/moved.mp4"], {}, {})
    assert told(account) == {
        "t/gone.mp4": ("failed", "its feature is gone"),
        "t/moved.mp4": ("ok", None),
        "t/present.mp4": ("ok", None),
    }


def test_a_feature_that_is_not_the_recorded_one_is_not_ok(run):
    plan, work = run
    path = work.features / "train_val/anomaly/ok.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    account = closing.close(plan, work)
    assert account.rows["train_val/anomaly/ok.mp4"].status == "failed"
    assert account.failed["train_val/anomaly/ok.mp4"] == "its feature is gone"


def test_a_feature_that_cannot_be_put_in_place_stays_staged(run):
    plan, work = run
    (work.features / "test/brief.npy").unlink()
    (work.features / "test").rmdir()
    (work.features / "test").write_bytes(b"a file where a folder should be")
    account = closing.close(plan, work)
    late = account.rows["test/late.mp4"]
    assert (late.status, late.reason) == ("failed", f"cannot write {work.features}/test/late.npy: File exists")
    assert account.failed["test/late.mp4"] == late.reason and late.feature_file == ""
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
    (work.features / ".mine.part").write_text("")

    def left():
        return sorted(str(path.relative_to(work.root)) for path in work.root.rglob("*") if path.is_file())

    tidy(work, work.plans / "p.json", plan, keep_frames=False, keep_staging=False)
    lasting = ["bundles/b.json", "extracted/b", "journals/b.jsonl", "journals/d.jsonl", "plans/p.json"]
    assert left() == sorted([*lasting, "bundles/d.json", "staging/test/late.npy"])
    (work.extracted / "d").touch()
    tidy(work, work.plans / "p.json", plan, keep_frames=False, keep_staging=False)
    assert left() == sorted([*lasting, "bundles/d.json", "extracted/d"])
    assert (work.features / ".mine.part").exists(), "somebody else's"
