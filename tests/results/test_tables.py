"""The metadata table and the run summary."""

import csv
import json

import pytest

from i3d.records.outcomes import Staged, Work, read_outcomes, stage, write_outcomes
from i3d.results.tables import (
    COLUMNS,
    NOT_DONE,
    append_summary,
    label_of,
    metadata_rows,
    put_in_place,
    run_summary,
    tables_are_current,
    tidy,
    write_metadata,
)


@pytest.mark.parametrize(
    ("category", "label"),
    [
        ("anomaly", "1"),
        ("anomaly_cropped", "1"),
        ("Anomaly", "1"),
        ("non_anomaly", "0"),
        ("non_anomaly_augmented", "0"),
        ("normal", "0"),
        ("fights", ""),
    ],
)
def test_labels(category, label):
    assert label_of(category) == label


@pytest.fixture
def run(tmp_path):
    """A tree after a run: one ok, one failed, one skipped, one whose bundle never finished, one of another subset."""
    features, videos = tmp_path / "features", tmp_path / "videos"
    work = Work.beside(features)
    ok = record("train_val/anomaly/ok.mp4", status="ok", feature_file="train_val/anomaly/ok.npy", snippets=3)
    bad = record(
        "test/anomaly/bad.mp4", status="failed", reason="no frame for 60 s", feature_file="test/anomaly/bad.npy"
    )
    other = record("extra/other.mp4", status="ok", feature_file="extra/other.npy")
    gone = record("extra/gone.mp4", status="failed", feature_file="")
    for item in (ok, other):
        path = features / item["feature_file"]
        path.parent.mkdir(parents=True)
        path.write_bytes(b"feature")
        stat = path.stat()
        item |= {"feature_size": stat.st_size, "feature_mtime_ns": stat.st_mtime_ns}
    write_outcomes(work.outcomes / "b.jsonl", [ok, bad, other, gone])
    skipped = {"video": "test/short.mp4", "feature_file": "", "status": "skipped", "reason": "too short: 16 frames"}
    plan = {
        "settings": {"model": "i3d_r50"},
        "fingerprint": "f",
        "catalog": "c",
        "pending": {"train_val/anomaly/ok.mp4": "b", "test/anomaly/bad.mp4": "b", "test/late.mp4": "d"},
        "skipped": {"test/short.mp4": skipped},
        "features": {
            name: name.replace(".mp4", ".npy")
            for name in ("train_val/anomaly/ok.mp4", "test/anomaly/bad.mp4", "test/late.mp4", "test/short.mp4")
        },
    }
    return plan, work, features, videos


def record(video, **values):
    return {"video": video, "fingerprint": "f", "finished": "1", "reason": None, "versions": "torch=2", **values}


def test_every_video_has_a_true_row(run):
    plan, work, features, videos = run
    rows = metadata_rows(plan, work, features, videos)
    assert list(rows) == sorted([*plan["features"], "extra/other.mp4"])
    told = {
        video: (row["status"], row["reason"], row["feature_file"] if row["status"] == "ok" else "")
        for video, row in rows.items()
    }
    assert told == {
        "train_val/anomaly/ok.mp4": ("ok", None, "train_val/anomaly/ok.npy"),
        "test/anomaly/bad.mp4": ("failed", "no frame for 60 s", ""),
        "test/short.mp4": ("skipped", "too short: 16 frames", ""),
        "test/late.mp4": ("failed", NOT_DONE, ""),
        "extra/other.mp4": ("ok", None, "extra/other.npy"),
    }
    assert [rows["train_val/anomaly/ok.mp4"][key] for key in ("split", "category", "label")] == [
        "train_val",
        "anomaly",
        "1",
    ]


def test_a_feature_that_is_not_the_recorded_one_is_not_ok(run):
    plan, work, features, videos = run
    (features / "train_val/anomaly/ok.npy").write_bytes(b"foreign")
    (features / "train_val/anomaly/ok.npy").write_bytes(b"foreign!")
    assert metadata_rows(plan, work, features, videos)["train_val/anomaly/ok.mp4"]["status"] == "failed"


def test_the_table_reads_back(run):
    plan, work, features, videos = run
    write_metadata(features / "metadata.csv", metadata_rows(plan, work, features, videos))
    with (features / "metadata.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == COLUMNS
    by_video = {row["video"]: row for row in table}
    assert by_video["train_val/anomaly/ok.mp4"]["snippets"] == "3"
    assert by_video["test/anomaly/bad.mp4"]["reason"] == "no frame for 60 s"

    work.outcomes.joinpath("b.jsonl").unlink()
    again = metadata_rows(plan, work, features, videos)
    assert again["extra/other.mp4"]["status"] == "ok", "rows of other subsets stay, from the table itself"


def test_the_summary_of_a_run(run):
    plan, work, features, videos = run
    summary = run_summary(plan, metadata_rows(plan, work, features, videos), videos)
    assert list(summary)[:5] == ["run_date", "total_videos", "videos_skipped", "skipped_video_list", "processed_videos"]
    assert (summary["total_videos"], summary["videos_skipped"], summary["processed_videos"]) == (4, 1, 1)
    assert summary["skipped_video_list"] == [str(videos / "test/short.mp4")]
    assert summary["failed_videos"] == 2
    assert summary["failed_video_list"] == [str(videos / "test/anomaly/bad.mp4"), str(videos / "test/late.mp4")]
    assert summary["reasons"][str(videos / "test/anomaly/bad.mp4")] == "no frame for 60 s"


def test_runs_are_appended_and_nothing_is_overwritten(run):
    *_, features, _ = run
    path = features / "feature_config.txt"
    for number in (1, 2):
        append_summary(path, {"catalog": str(number)})
    assert json.loads(path.read_text()) == [{"catalog": "1"}, {"catalog": "2"}]
    path.write_text("notes of my own")
    append_summary(path, {"catalog": "3"})
    assert json.loads(path.read_text()) == [{"catalog": "3"}]
    assert path.with_name("feature_config.txt.damaged").read_text() == "notes of my own"


def test_tables_are_due_when_the_catalog_changes(run):
    *_, features, _ = run
    append_summary(features / "feature_config.txt", {"catalog": "c"})
    assert not tables_are_current(features, "c"), "there is no metadata table yet"
    (features / "metadata.csv").write_text("")
    assert tables_are_current(features, "c")
    assert not tables_are_current(features, "d")
    (features / "feature_config.txt").write_text("{")
    assert not tables_are_current(features, "c")


def test_tidying_keeps_what_is_still_to_do(run):
    plan, work, *_ = run
    for path in (work.plans / "p.json", work.plans / "old.json", *(work.bundles / f"{name}.json" for name in "bdx")):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    (work.staging / "test").mkdir(parents=True)
    (work.staging / "test/late.npy").write_bytes(b"staged")
    tidy(work, work.plans / "p.json", plan)
    left = sorted(str(path.relative_to(work.root)) for path in work.root.rglob("*") if path.is_file())
    assert left == ["bundles/d.json", "outcomes/b.jsonl", "plans/p.json", "staging/test/late.npy"]
    plan["pending"].pop("test/late.mp4")
    tidy(work, work.plans / "p.json", plan)
    left = sorted(str(path.relative_to(work.root)) for path in work.root.rglob("*") if path.is_file())
    assert left == ["outcomes/b.jsonl", "plans/p.json"]


@pytest.fixture
def staged_run(run):
    """The run's unfinished bundle has staged one feature and one failure."""
    plan, work, features, videos = run
    plan["pending"]["test/nan.mp4"] = "d"
    plan["features"]["test/nan.mp4"] = "test/nan.npy"
    entries = [{"video": f"test/{name}.mp4", "feature": f"test/{name}.npy", "digest": name} for name in ("late", "nan")]
    (work.staging / "test").mkdir(parents=True)
    (work.staging / "test/late.npy").write_bytes(b"staged")
    for entry, values in zip(entries, ({"status": "ok"}, {"status": "failed", "reason": "NaN"}), strict=True):
        whole = record(entry["video"], feature_file=entry["feature"], digest=entry["digest"], bundle="before", **values)
        stage(Staged(work.staging / entry["feature"]), whole)
    work.bundles.mkdir()
    (work.bundles / "d.json").write_text(json.dumps({"fingerprint": "f", "videos": entries}))
    return plan, work, features, videos


def test_what_a_broken_bundle_had_finished_is_put_in_place_and_on_record(staged_run):
    plan, work, features, videos = staged_run
    assert put_in_place(work, plan) == {}
    assert (features / "test/late.npy").read_bytes() == b"staged"
    assert not (work.staging / "test/late.npy").exists()
    assert {name: read_outcomes(work.outcomes)[f"test/{name}.mp4"]["bundle"] for name in ("late", "nan")} == {
        "late": "d",
        "nan": "d",
    }
    rows = metadata_rows(plan, work, features, videos)
    assert [(rows[f"test/{name}.mp4"]["status"], rows[f"test/{name}.mp4"]["reason"]) for name in ("late", "nan")] == [
        ("ok", None),
        ("failed", "NaN"),
    ]
    assert put_in_place(work, plan) == {}, "a second time there is nothing to do"


def test_a_feature_that_cannot_be_put_in_place_stays_staged(staged_run):
    plan, work, features, _ = staged_run
    (features / "test").write_bytes(b"a file where a folder should be")
    assert put_in_place(work, plan) == {"test/late.mp4": f"cannot write {features}/test/late.npy: File exists"}
    assert (work.staging / "test/late.npy").exists()


def test_rows_that_a_damaged_table_holds_are_dropped(run):
    plan, work, features, videos = run
    videos.mkdir()
    (videos / "cut").write_bytes(b"a video whose row was cut off")
    (features / "metadata.csv").write_text("video,status,feature_file\ncut\nx.mp4,ok\ny.mp4,ok,gone.npy\n")
    assert list(metadata_rows(plan, work, features, videos)) == sorted([*plan["features"], "extra/other.mp4"])
