"""The plan before a run and the targets after it, as a user calls them."""

import csv
import json
import os
import re
import shutil
from functools import partial

import numpy as np
import pytest

from tests.support.bystanders import snapshot
from tests.support.users import close_folders
from tests.support.workflow import SNAKEMAKE, Run, Workflow, write_clip

pytestmark = pytest.mark.workflow
TARGETS = ("lists", "ground_truth", "ur_dmu", "deepmil", "vadclip", "tevad_s3r")
EVENTS = {"ground_truth": "{annotations: events.csv}"}
GOOD = "video_name,start_annotation,end_annotation,event_name\nc d,10,19,x\nc d.mp4,30,40,x\nelsewhere.mp4,1,2,x\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A finished tree of two splits with all targets made."""
    project = Workflow(tmp_path_factory.mktemp("targets"), CLIPS, clip_length=16, frequency=16)
    (project.folder / "events.csv").write_text(GOOD)
    project.plan = project.run("-n")
    project.run(cores=2)
    project.output = project.run(*TARGETS, "report", cores=2, **EVENTS)
    return project


CLIPS = {
    "train_val/anomaly/a.mp4": 40,
    "train_val/anomaly/z.mp4": 20,
    "train_val/non_anomaly/b.mp4": 17,
    "test/anomaly/c d.mp4": 33,
    "test/non_anomaly/e.mp4": 20,
    "test/non_anomaly/short.mp4": 9,
}


def test_a_dry_run_opens_with_the_plan(finished):
    before, _, jobs = finished.plan.partition("Job stats:")
    assert "videos    6: 0 present, 5 to extract, 1 skipped\n" in before
    assert "test/non_anomaly/short.mp4: too short: 9 frames" in before and "takes " in before
    assert "decode" in jobs


def test_a_dry_run_without_a_number_of_cores_has_all_of_this_machine(tmp_path):
    project = Workflow(tmp_path, {"test/anomaly/a.mp4": 400})
    on_one_cpu = partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})

    def takes(*cores: str) -> str:
        command = [*SNAKEMAKE, "-n", *cores, *project.settings(sample_mode="oversample")]
        code, output = Run(tmp_path, command, before=on_one_cpu).end()
        assert code == 0, output
        return next(line for line in output.splitlines() if line.startswith("takes "))

    assert takes() == takes("--cores", "1") != takes("--cores", "2")


def test_lists_and_ground_truth(finished):
    features, lists = finished.feature(""), finished.folder / "dataset/lists"
    assert (lists / "test.list").read_text().splitlines() == [
        str(features / "test/anomaly/c d.npy"),
        str(features / "test/non_anomaly/e.npy"),
    ]
    assert [np.load(line).shape[0] for line in (lists / "train_val.list").read_text().splitlines()] == [2, 1, 1]
    truth = np.load(lists / "test_gt.npy")
    assert truth.shape == (3 * 16,) and np.flatnonzero(truth).tolist() == [*range(10, 20), 30, 31]
    assert "test/anomaly/c d.mp4: event 30-40 clipped to the video's 33 frames" in finished.output


def test_short_test_videos_and_names_outside_the_tree_are_told(finished):
    assert "test/non_anomaly/e.mp4 (1): too few snippets, RTFM, MGFN, TEVAD, S3R, Smart-Surveillance" in finished.output
    assert "1 annotated name without a video in metadata.csv: elsewhere.mp4" in finished.output


def test_the_commands_for_trainers_are_in_a_file_that_is_named(finished):
    text = (finished.folder / "dataset/lists/trainers.txt").read_text()
    assert f"{text.splitlines()[0]}\nthe other {len(text.splitlines()) - 1} lines: dataset/lists/tr" in finished.output
    assert "sed -i 's/810/2/' dataset.py" in text and f"{finished.folder}/dataset/crops/test_one_crop.list" in text


def test_compare_lays_another_tree_beside_these_features(finished, tmp_path):
    for name in ("test/anomaly/c d", "train_val/anomaly/a"):
        (tmp_path / name).parent.mkdir(parents=True)
        np.save(tmp_path / f"{name}_i3d.npy", np.load(finished.feature(f"{name}.npy")) * 2)
    output = finished.run("compare", compare=tmp_path)
    assert "2 features in both trees, 2 of them compared\nonly ours: 3 features" in output
    assert "their values are ours times 2, in the same direction" in output
    with (finished.work / "report/compare.csv").open(newline="") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    assert rows["test/anomaly/c d.npy"]["scale"] == "2"
    assert rows["test/non_anomaly/e.npy"]["problem"] == "the other tree lacks it"


def test_crop_files(finished):
    crops = finished.folder / "dataset/crops"
    assert (crops / "train_val.list").read_text().splitlines() == [
        str(crops / "train_val/anomaly/a__0.npy"),
        str(crops / "train_val/anomaly/z__0.npy"),
        str(crops / "train_val/non_anomaly/Normal_b__0.npy"),
    ]
    assert json.loads((crops / "train_val.json").read_text())["lines"] == {"anomaly": 2, "normal": 1, "total": 3}
    tests = [str(crops / "test/anomaly/c_d__0.npy"), str(crops / "test/non_anomaly/Normal_e__0.npy")]
    assert (crops / "test.list").read_text().splitlines() == tests
    assert (crops / "test_one_crop.list").read_text().splitlines() == tests
    with (crops / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(np.load(row["path"]).shape, row["label"]) for row in rows] == [
        ((2, 2048), "anomaly"),
        ((1, 2048), "Normal"),
    ]
    assert np.load(crops / "test_gt_segment.npy", allow_pickle=True)[0] == [[10, 20], [30, 32]]


def test_features_under_the_names_of_tevad_and_s3r(finished):
    lists = finished.folder / "dataset/lists"
    linked = (lists / "i3d/test.list").read_text().splitlines()
    assert [np.load(line).shape for line in linked] == [(2, 1, 2048), (1, 1, 2048)]
    labels = json.loads((lists / "i3d/test_ground_truth.json").read_text())
    assert labels["anomaly__c d"]["labels"] == np.load(lists / "test_gt.npy")[:32].tolist()


def test_exports_are_made_again_when_something_wrote_over_them_and_only_then(finished):
    truth, crops = finished.folder / "dataset/lists/test_gt.npy", finished.folder / "dataset/crops/test"
    assert finished.run(*TARGETS, **EVENTS).count("nothing to be done, its") == len(TARGETS)
    before = truth.read_bytes()
    np.save(truth, np.ones(48))  # as Smart-Surveillance's generate_gt.py does, beside the list
    shutil.rmtree(crops / "anomaly")
    output = finished.run(*TARGETS, **EVENTS)
    assert "dataset/lists/test_gt.npy: gone, or something else wrote over it; made again" in output
    assert truth.read_bytes() == before and (crops / "anomaly/c_d__0.npy").exists()
    assert finished.run(*TARGETS, **EVENTS).count("nothing to be done, its") == len(TARGETS)


def test_a_refusal_leaves_the_earlier_files_and_its_reason_is_on_the_screen_and_in_the_log(finished):
    lists, crops = finished.folder / "dataset/lists", finished.folder / "dataset/crops"
    before = {
        path: path.read_bytes() for path in (lists / "test_gt.npy", crops / "test.list", crops / "test_gt_label.npy")
    }
    (finished.folder / "events.csv").write_text(GOOD + "c d,9,5,x\n")
    output = finished.run("ground_truth", "vadclip", "--keep-going", ok=False, **EVENTS)
    reason = "error: events.csv, line 5: the event of c d ends (frame 5) before it starts (frame 9); correct it"
    assert output.rstrip().splitlines()[-1].startswith(reason), "the reason comes last"
    assert (finished.folder / "logs/exports/ground_truth.log").read_text().splitlines()[-1] == reason
    refused = finished.run("ur_dmu", ok=False, crops="{root: /a b}")
    assert "cut the lines of their lists at spaces" in refused
    assert {path: path.read_bytes() for path in before} == before
    (finished.folder / "events.csv").write_text(GOOD)
    finished.run(*TARGETS, **EVENTS)
    assert {path: path.read_bytes() for path in before} == before


def test_snakemakes_other_modes_leave_exports_alone(finished):
    before = snapshot(finished.folder / "dataset")
    assert "rule lists" in finished.run("-n", "--verbose", "lists", **EVENTS)
    finished.run("lists", "ur_dmu", "--delete-all-output", **EVENTS)
    finished.run("lists", "--summary", **EVENTS)
    finished.run("lists", "--dag", **EVENTS)
    assert snapshot(finished.folder / "dataset") == before


def test_nested_settings_leave_short_videos_out_and_hold_a_validation_split_out(finished):
    lists = "{folder: other, min_snippets: {test: 2}, validation: {fraction: 0.5}}"
    output = finished.run("ground_truth", "lists", lists=lists, crops="{test_crop: 0}", **EVENTS)
    assert "left out, fewer than 2 snippets: test/non_anomaly/e.mp4 (1)" in output
    other = finished.folder / "other"
    assert (other / "test.list").read_text() == f"{finished.feature('test/anomaly/c d.npy')}\n"
    assert len(np.load(other / "test_gt.npy")) == 32 and len(np.load(other / "val_gt.npy")) > 0
    train, held_out = ((other / f"{split}.list").read_text().splitlines() for split in ("train_val", "val"))
    assert len(train) == 2 and len(held_out) == 1 and "/anomaly/" in held_out[0]


def test_targets_are_made_again_when_the_table_changes_and_only_then(finished):
    finished.run(*TARGETS, **EVENTS)
    write_clip(finished.video("train_val/anomaly/new.mp4"), 18, seed=99)
    output = finished.run("lists", cores=2)
    assert "1 to extract" in output and "files written: " in output
    assert "new.npy" in (finished.folder / "dataset/lists/train_val.list").read_text()
    again = finished.run("-n", "report")
    assert "rule figures" in again and "rule contact_sheets" in again and "rule extract" not in again


def test_the_report_holds_every_figure_with_its_caption(finished):
    finished.run("report")
    finished.run("report", "--report", "report.html")
    page = (finished.folder / "report.html").read_text()
    for title in (
        "Counts per subset",
        "Magnitude outliers",
        "Nearest neighbours between splits",
        "Skipped, failed, damaged",
        "test/anomaly",
        "Magnitude along time, page 01",
        "Magnitude in and outside events",
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


def test_without_a_table_the_report_says_what_to_do(tmp_path):
    project = Workflow(tmp_path, {"test/anomaly/a.mp4": 20})
    output = project.run("report", ok=False)
    assert "metadata.csv: no such table" in output and "run snakemake first" in output


def test_what_a_target_lacks_is_said_before_any_video_is_decoded(tmp_path):
    project = Workflow(tmp_path, {"test/anomaly/a.mp4": 20})
    assert "error: ground_truth: set `annotations`" in project.run("ground_truth", ok=False)
    output = project.run("ground_truth", ok=False, dataset="ucf_crime")
    assert "error: dataset: Temporal_Anomaly_Annotation*.txt, the annotations of UCF-Crime, are not under" in output
    assert not project.feature("test/anomaly/a.npy").exists()


def test_a_forgotten_setting_is_not_a_reason_to_extract_everything_anew(finished):
    before = snapshot(finished.feature(""))
    output = finished.run("lists", ok=False, normalization="kinetics")
    replaced = f"{len(finished.features())} features in place would be replaced"
    assert f"{replaced}, made under normalization inception, not kinetics" in output
    assert {path: content for path, content in snapshot(finished.feature("")).items() if path.endswith(".npy")} == {
        path: content for path, content in before.items() if path.endswith(".npy")
    }


def test_features_that_were_copied_elsewhere_are_exported_as_they_are(finished, tmp_path):
    shutil.copytree(finished.feature(""), tmp_path / "run/features")
    project = Workflow(tmp_path / "run", {})
    output = project.run("lists")
    assert "videos is not here; exports are made from features/metadata.csv as it is" in output
    assert len((project.folder / "dataset/lists/train_val.list").read_text().splitlines()) == 4


def test_features_whose_weights_and_annotations_are_in_a_closed_folder_are_exported_as_they_are(finished):
    closed = {"weights": "closed/weights.pth", "ground_truth": "{annotations: closed/events.csv}"}
    command = finished.command("--cores", "1", "-n", "lists", "report", **closed)
    code, output = Run(finished.folder, command, before=close_folders).end()
    assert code == 0, output
    assert "closed/weights.pth is not here; exports are made from features/metadata.csv as it is" in output
