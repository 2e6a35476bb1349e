"""The run summary."""

import json

import pytest

from i3d.results.run_summary import Account, append_summary, run_summary, runs_since, tables_are_current
from i3d.settings import NumericSettings
from tests.support.records import record


def test_the_summary_of_a_run(tmp_path):
    records = {
        each.video: each
        for each in (
            record("a/ok.mp4"),
            record("a/old.mp4"),
            record("a/bad.mp4", "failed", reason="no frame for 60 s"),
            record("a/short.mp4", "skipped", reason="too short: 16 frames"),
        )
    }
    account = Account(records, ["a/ok.mp4"], ["a/old.mp4"], {"a/bad.mp4": "no frame for 60 s"}, {"a/left.mp4": "left"})
    summary = run_summary(account, tmp_path, NumericSettings(), "tree", {".txt": 2})
    assert list(summary)[:5] == ["run_date", "total_videos", "videos_skipped", "skipped_video_list", "processed_videos"]
    assert (summary["total_videos"], summary["videos_skipped"], summary["processed_videos"]) == (4, 1, 1)
    assert (summary["moved_videos"], summary["not_done_videos"]) == (1, 1)
    assert summary["skipped_video_list"] == [str(tmp_path / "a/short.mp4")]
    assert (summary["failed_videos"], summary["failed_video_list"]) == (1, [str(tmp_path / "a/bad.mp4")])
    assert summary["reasons"] == {
        str(tmp_path / "a/short.mp4"): "too short: 16 frames",
        str(tmp_path / "a/bad.mp4"): "no frame for 60 s",
        str(tmp_path / "a/left.mp4"): "left",
    }
    assert (summary["present_videos"], summary["settings"]["model"], summary["versions"]) == (2, "i3d_r50", "torch=2")
    assert summary["passed_over"] == {".txt": 2}


@pytest.mark.parametrize("damage", [b"notes of my own", b"[1]", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000])
def test_runs_are_appended_and_nothing_is_overwritten(tmp_path, damage):
    path = tmp_path / "feature_config.txt"
    for number in (1, 2):
        append_summary(path, {"catalog": str(number)})
    assert json.loads(path.read_text()) == [{"catalog": "1"}, {"catalog": "2"}]
    path.write_bytes(damage)
    append_summary(path, {"catalog": "3"})
    assert json.loads(path.read_text()) == [{"catalog": "3"}]
    assert path.with_name("feature_config.txt.damaged").read_bytes() == damage


def test_tables_are_due_when_the_trees_change(tmp_path):
    append_summary(tmp_path / "feature_config.txt", {"catalog": "c"})
    assert not tables_are_current(tmp_path, "c"), "there is no metadata table yet"
    (tmp_path / "metadata.csv").write_text("")
    assert tables_are_current(tmp_path, "c")
    assert not tables_are_current(tmp_path, "d")
    for damage in ("{", "[1]", '["c"]'):
        (tmp_path / "feature_config.txt").write_text(damage)
        assert not tables_are_current(tmp_path, "c")


def test_runs_of_which_the_tables_were_written_since(tmp_path):
    summary = tmp_path / "feature_config.txt"
    assert runs_since(tmp_path) == []
    for name in "ab":
        append_summary(summary, {"catalog": name})
    summary.touch()  # as Snakemake does to a file whose job failed
    assert [run["catalog"] for run in runs_since(tmp_path, 1)] == ["b"] and runs_since(tmp_path, 2) == []
    summary.write_text("no JSON")
    assert runs_since(tmp_path) == []
