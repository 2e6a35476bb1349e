"""What a run says at its end."""

import json
import os

import pytest

from i3d.progress import ending
from i3d.progress.ending import ending_text
from i3d.records.record import FAILED, OK, SKIPPED, VideoRecord
from i3d.results.run_summary import append_summary, run_summary


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.setattr(ending.time, "time", lambda: 1000.0)
    return tmp_path


def summary(features, *statuses: str) -> None:
    records = {
        f"{place}.mp4": VideoRecord(video=f"{place}.mp4", status=status) for place, status in enumerate(statuses)
    }
    append_summary(features / "feature_config.txt", run_summary(records, records, features, {}, ""))
    os.utime(features / "feature_config.txt", (990, 990))


def test_a_run_without_failures(features):
    summary(features, FAILED)
    summary(features, OK, OK, SKIPPED)
    assert ending_text(features, 900).splitlines() == [
        "done      2 features in 2 min",
        "videos    3: 2 with features, 1 skipped, 0 failed",
        f"table     {features}/metadata.csv has a row for each video, with a reason where it was skipped or failed",
        "next      `make report` draws the report; `snakemake --cores 1 lists` writes lists for trainers",
    ]


def test_after_failures_the_advice_is_to_run_again(features):
    summary(features, OK, FAILED)
    text = ending_text(features, 900)
    assert "videos    2: 1 with features, 0 skipped, 1 failed" in text
    assert "next      run the same command again" in text


@pytest.mark.parametrize("content", [None, "no JSON", json.dumps([])])
def test_without_tables_it_says_so(features, content):
    if content is not None:
        (features / "feature_config.txt").write_text(content)
    assert ending_text(features, 900).startswith("The run took 2 min, but its tables were not written")


def test_tables_of_an_earlier_run_do_not_count(features):
    summary(features, OK)
    assert "its tables were not written" in ending_text(features, 995)
