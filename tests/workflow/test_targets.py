"""The plan before a run and the targets after it, as a user calls them."""

import csv
import re

import numpy as np
import pytest

from .test_workflow import Project

pytestmark = pytest.mark.workflow
TARGETS = ("lists", "ground_truth", "ur_dmu", "vadclip", "report")
EVENTS = ("ground_truth={annotations: events.csv}",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """A finished tree of two splits with all targets made."""
    project = Project(tmp_path_factory.mktemp("targets"))
    project.clip("train_val/anomaly/a.mp4", 40)
    project.clip("train_val/non_anomaly/b.mp4", 17)
    project.clip("test/anomaly/c d.mp4", 33)
    project.clip("test/non_anomaly/e.mp4", 20)
    project.clip("test/non_anomaly/short.mp4", 9)
    (project.folder / "events.csv").write_text(
        "video_name,start_annotation,end_annotation,event_name\nc d.mp4,10,19,x\nc d.mp4,30,40,x\n"
    )
    project.plan = project.snakemake("-n")
    project.snakemake()
    # A space in a name is nothing to UR-DMU's list of the training split.
    project.output = project.snakemake("dataset/crops/train_val.list", *TARGETS[:2], *TARGETS[3:], config=EVENTS)
    return project


def test_a_dry_run_opens_with_the_plan(finished):
    before, _, jobs = finished.plan.partition("Job stats:")
    assert "videos    5: 0 present, 4 to extract, 1 skipped\n" in before
    assert "test/non_anomaly/short.mp4: too short: 9 frames" in before and "GPU time" in before
    assert "decode" in jobs


def test_lists_and_ground_truth(finished):
    features, lists = finished.feature(""), finished.folder / "dataset/lists"
    assert (lists / "test.list").read_text().splitlines() == [
        str(features / "test/anomaly/c d.npy"),
        str(features / "test/non_anomaly/e.npy"),
    ]
    assert [np.load(line).shape[0] for line in (lists / "train_val.list").read_text().splitlines()] == [2, 1]
    truth = np.load(lists / "test_gt.npy")
    assert truth.shape == (3 * 16,) and np.flatnonzero(truth).tolist() == [*range(10, 20), 30, 31]
    assert "test/anomaly/c d.mp4: event 30-40 clipped to the video's 33 frames" in finished.output


def test_crop_files(finished):
    crops = finished.folder / "dataset/crops"
    assert (crops / "train_val.list").read_text().splitlines() == [
        str(crops / "train_val/anomaly/a__0.npy"),
        str(crops / "train_val/non_anomaly/Normal_b__0.npy"),
    ]
    with (crops / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(np.load(row["path"]).shape, row["label"]) for row in rows] == [
        ((2, 2048), "anomaly"),
        ((1, 2048), "Normal"),
    ]
    assert "UR-DMU cuts the lines of its list at spaces" in (
        finished.snakemake("dataset/crops/test.list", ok=False) + (finished.folder / "logs/ur_dmu/test.log").read_text()
    )


def test_targets_are_made_again_when_the_table_changes_and_only_then(finished):
    targets = (*TARGETS[:2], *TARGETS[3:])
    assert "Nothing to be done" in finished.snakemake("-n", *targets, config=EVENTS)
    finished.clip("train_val/anomaly/new.mp4", 18)
    finished.snakemake()
    finished.snakemake("lists")
    assert "new.npy" in (finished.folder / "dataset/lists/train_val.list").read_text()
    again = finished.snakemake("-n", "report")
    assert "rule figures" in again and "rule contact_sheets" in again and "rule extract" not in again


def test_the_report_holds_every_figure_with_its_caption(finished):
    finished.snakemake("report")
    finished.snakemake("report", "--report", "report.html")
    page = (finished.folder / "report.html").read_text()
    for title in (
        "Counts per subset",
        "Magnitude outliers",
        "Nearest neighbours between splits",
        "Skipped, failed, damaged",
        "test/anomaly",
    ):
        assert title in page
    for caption in (
        "what became of them",
        "RTFM and MGFN",
        "scaled to 340x256",
        "The weights are random",  # the head of the landing page, on the first page
        "videos? (has|have) features",
    ):
        assert re.search(caption, page), caption
    assert page.count("data:image/svg+xml") >= 5 and page.count("data:image/png") >= 4


def test_without_a_table_the_targets_say_what_to_do(tmp_path):
    project = Project(tmp_path)
    project.clip("test/anomaly/a.mp4", 20)
    assert "metadata.csv: no such table" in project.snakemake("lists", ok=False)
    assert "run snakemake first" in project.snakemake("report", ok=False)
    assert "set `annotations`" in project.snakemake("ground_truth", ok=False)
