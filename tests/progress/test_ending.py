"""What a run says at its end."""

import json

import pytest

from i3d import commands
from i3d.progress import ending
from i3d.progress.ending import Ending
from i3d.records.record import OK, SKIPPED, VideoRecord
from i3d.results.run_summary import Account, append_summary, removal_summary, run_summary
from i3d.settings import NumericSettings


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.setattr(ending.time, "time", lambda: 1000.0)
    return tmp_path


def summary(features, ok: int, skipped: int = 0, passed_over: dict[str, int] | None = None, **account) -> None:
    """A run that left so many rows with and without features, and did what `account` says."""
    statuses = [OK] * ok + [SKIPPED] * skipped
    rows = {f"{place}.mp4": VideoRecord(video=f"{place}.mp4", status=each) for place, each in enumerate(statuses)}
    run = run_summary(Account(rows, **account), features, NumericSettings(), "", passed_over or {})
    append_summary(features / "feature_config.txt", run)


def lines(features, **more) -> dict[str, str]:
    return {line[:10].strip(): line[10:] for line in Ending(features, 900, 0, **more).text.splitlines()}


def test_a_run_without_failures(features):
    lists, report = commands.snakemake("lists"), commands.snakemake("report")
    summary(features, 0, failed={"0.mp4": "x"})
    summary(features, 2, 1, made=["0.mp4", "1.mp4"])
    assert Ending(features, 900, 0, whole=True).text.splitlines() == [
        "done      2 features in 2 min",
        "videos    3: 2 with features, 1 skipped, 0 failed",
        f"table     {features}/metadata.csv has a row for each video, with a reason where it has no feature",
        f"next      {lists} writes lists for trainers, {report} draws the report",
    ]


def test_what_was_asked_for_is_not_proposed(features):
    summary(features, 1, made=["0.mp4"])
    report = commands.snakemake("report")
    for target in ("lists", "ground_truth"):  # which writes the lists too
        assert lines(features, whole=True, asked=["all", target])["next"] == f"{report} draws the report"
    assert "next" not in lines(features, whole=True, asked=["lists", "report"])


def test_after_an_export_that_failed_nothing_is_proposed(features):
    summary(features, 1, made=["0.mp4"])
    assert lines(features)["next"].startswith("correct what is said below")


def test_damage_is_said(features):
    rows = {
        f"{place}.mp4": VideoRecord(video=f"{place}.mp4", status=OK, damaged=each)
        for place, each in enumerate(("cut", None))
    }
    run = run_summary(Account(rows), features, NumericSettings(), "", {})
    append_summary(features / "feature_config.txt", run)
    assert lines(features)["videos"] == "2: 2 with features (1 of them damaged), 0 skipped, 0 failed"


def test_what_is_no_video_is_said(features):
    summary(features, 1, made=["0.mp4"], passed_over={".jpg": 1040, "no suffix": 2})
    assert lines(features)["other"] == "passed over: 1,040 .jpg, 2 no suffix"


def test_what_was_there_before_is_not_done_by_this_run(features):
    summary(features, 5, failed={"0.mp4": "no memory"}, made=["1.mp4"], moved=["2.mp4"])
    said = lines(features)
    assert said["done"] == "1 feature in 2 min, 1 more moved into place"
    assert said["videos"] == "5: 5 with features, 0 skipped, 1 failed"
    assert said["next"].startswith("run the same command again: it tries what failed")


def test_a_run_that_was_stopped_says_what_is_left(features):
    summary(features, 2, made=["0.mp4", "1.mp4"], not_done={f"{n}.mp4": "left" for n in range(2, 7)})
    said = lines(features, stopped=True)
    assert said["stopped"] == "2 features in 2 min"
    assert said["videos"].endswith("0 failed, 5 not done") and "goes on where" in said["next"]


def test_a_run_that_was_asked_for_a_part_says_how_to_get_the_rest(features):
    """As with `--until decode`, where the same command would end there again."""
    summary(features, 0, not_done={"0.mp4": "left"})
    assert lines(features, whole=True)["next"] == "a run without `--until` and `--omit-from` does the rest"


def test_features_that_were_to_be_made_anew_and_are_as_before_are_no_work_left(features):
    summary(features, 3, made=["0.mp4"], kept=["1.mp4", "2.mp4"])
    said = lines(features, stopped=True)
    assert said["videos"] == "3: 3 with features, 0 skipped, 0 failed, 2 not made anew"
    assert said["next"].startswith("the features that were not made anew are as before")


def test_removed_orphans_are_no_run(features):
    summary(features, 1, made=["0.mp4"])
    append_summary(features / "feature_config.txt", removal_summary(["x.npy"], NumericSettings(), ""))
    assert lines(features)["done"] == "1 feature in 2 min"


@pytest.mark.parametrize("content", [None, "no JSON", json.dumps([])])
def test_without_tables_it_says_so(features, content):
    if content is not None:
        (features / "feature_config.txt").write_text(content)
    assert Ending(features, 900, 0).text.startswith("The run took 2 min, but its tables were not written")


def test_tables_of_an_earlier_run_do_not_count(features):
    summary(features, 1)
    assert "its tables were not written" in Ending(features, 900, 1).text
    assert Ending(features, 900, 1).errors == []


def test_why_videos_failed(features):
    failed = {f"{place}.mp4": f"odd {place}" for place in range(6)} | {"7.mp4": "no memory", "8.mp4": "no memory"}
    summary(features, 9, failed=failed)
    assert Ending(features, 900, 0).errors == [
        "error: 8 videos failed; run the same command again to try them again"
        + "".join(f"\n  {features}/{place}.mp4: odd {place}" for place in range(5))
        + f"\n  and 2 more, all in {features}/metadata.csv"
    ]
    summary(features, 9, failed={"7.mp4": "no memory", "8.mp4": "no memory"})
    assert Ending(features, 900, 0).errors[0].endswith(f"\n  2 videos, like {features}/7.mp4: no memory")


def test_no_errors_where_nothing_failed(features):
    summary(features, 1, failed={"0.mp4": "x"})
    assert Ending(features, 900, 1).errors == []
    summary(features, 1)
    assert Ending(features, 900, 0).errors == []
