"""What a target makes, what it leaves alone, and that exports of one folder come from one state."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from i3d.config import complete
from i3d.errors import UserError
from i3d.exports.all_exports import EXPORTS, TARGETS
from i3d.exports.making import check_annotations, make
from tests.support.bystanders import snapshot
from tests.support.data_sets import DATA_SETS
from tests.support.finished_trees import annotate, write_tree
from tests.support.paths import ROOT
from tests.support.workflow import write_clip

LISTED = (
    ("train_val/anomaly/a.mp4", 3, 1, 50, 30),
    ("train_val/anomaly/b.mp4", 3, 1, 50, 30),
    ("train_val/anomaly/c.mp4", 3, 1, 50, 30),
    ("train_val/normal/d.mp4", 3, 0, 50, 30),
    ("train_val/normal/e.mp4", 3, 0, 50, 30),
    ("test/anomaly/f.mp4", 2, 1, 33, 30),
    ("test/anomaly/g.mp4", 4, 1, 70, 30),
    ("test/normal/h.mp4", 3, 0, 50, 30),
)


class Project:
    """A finished tree, and calls of targets with the settings that were given last."""

    def __init__(self, folder: Path, **more) -> None:
        self.folder = folder
        self.features = write_tree(folder, LISTED, dim=8, **more)
        self.events = annotate(folder, "f,3,9,theft", "g,0,20,fight")
        self.settings = {}

    def make(self, target, asked=(), **settings):
        places = {"lists": {"folder": str(self.folder / "lists")}, "crops": {"folder": str(self.folder / "crops")}}
        for key, value in settings.items():
            places[key] = places.get(key, {}) | value if isinstance(value, dict) else value
        return make(target, self.features / "metadata.csv", complete(places), asked)

    def truth(self, split="test"):
        return np.load(self.folder / f"lists/{split}_gt.npy")

    def lines(self, name):
        return (self.folder / name).read_text().splitlines()

    def rewrite_table(self, change):
        path = self.features / "metadata.csv"
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        changed = [row for row in map(change, rows) if row]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, {**rows[0], **changed[0]})
            writer.writeheader()
            writer.writerows(changed)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def events_of(project):
    return {"annotations": str(project.events)}


def test_every_target_has_a_rule():
    rules = (ROOT / "rules/export.smk").read_text()
    assert [target for target in TARGETS if f'"{target}"' not in rules] == []
    assert {export.name.format(split="x") for export in EXPORTS} >= {"x.list", "x_gt.npy", "trainers.txt"}
    (of_trainers,) = (export.targets.split() for export in EXPORTS if export.name == "trainers.txt")
    assert set(of_trainers) == set(TARGETS), "each target brings the commands"


def test_what_the_commands_lack_does_not_spoil_a_target(project):
    """VadCLIP's labels need annotations; crop files and their lists do not."""
    outcome = project.make("ur_dmu", crops={"labels": "event"})
    assert outcome.errors == [] and project.folder / "crops/test.list" in outcome.written
    reason = (project.folder / "lists/trainers.txt").read_text().strip()
    assert "annotations" in reason and reason in outcome.warnings


def test_annotations_that_cannot_be_read_are_refused_before_the_first_features_are_made(project, tmp_path):
    DATA_SETS["ucf_crime"].files(tmp_path / "videos")
    official = tmp_path / "videos/Temporal_Anomaly_Annotation_for_Testing_Videos.txt"
    named = {"features": str(tmp_path / "none yet"), "ground_truth": events_of(project)}
    found = {"features": str(tmp_path / "none yet"), "videos": str(tmp_path / "videos"), "dataset": "ucf_crime"}
    for settings, path in ((named, project.events), (found, official)):
        check_annotations("ground_truth", complete(settings))
        path.write_text("nothing of the kind\n")
        with pytest.raises(UserError, match=f"{path.name}, line 1: no annotation of a known form"):
            check_annotations("ground_truth", complete(settings))
        check_annotations("lists", complete(settings))
        check_annotations("ground_truth", complete(settings | {"features": str(project.features)}))
    with pytest.raises(UserError, match="ground_truth: set `annotations`"):
        check_annotations("ground_truth", complete({"features": str(tmp_path / "none yet")}))


SHEET = """
title: Eighth
videos: [{path: "**", category: anomaly}]
normal: [normal]
splits: {test: {paths: ["test/**"]}}
annotations: {name: found.csv, format: csv}
"""


def test_annotations_that_were_found_are_not_taken_for_another_tree(project, tmp_path):
    (tmp_path / "eighth.yaml").write_text(SHEET)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    shutil.copy(project.events, tmp_path / "one/found.csv")
    outcome = project.make("ground_truth", dataset=str(tmp_path / "eighth.yaml"), videos=str(tmp_path / "one"))
    assert outcome.errors == [] and project.truth().sum() == 7 + 21
    outcome = project.make("ground_truth", dataset=str(tmp_path / "eighth.yaml"), videos=str(tmp_path / "other"))
    assert any("found.csv, the annotations of Eighth, are not under" in error for error in outcome.errors)


def test_of_two_annotations_none_is_chosen_because_it_was_there_first(project, tmp_path):
    (tmp_path / "eighth.yaml").write_text(SHEET)
    (tmp_path / "one/more").mkdir(parents=True)
    shutil.copy(project.events, tmp_path / "one/found.csv")
    settings = {"dataset": str(tmp_path / "eighth.yaml"), "videos": str(tmp_path / "one")}
    assert project.make("ground_truth", **settings).errors == []
    (tmp_path / "one/more/found.csv").write_text("video_name,start_annotation,end_annotation,event_name\nf,0,3,x\n")
    words = r"one/found.csv, .*one/more/found.csv differ; name the right annotations"
    assert re.search(words, " ".join(project.make("ground_truth", **settings).errors))
    with pytest.raises(UserError, match=words):
        check_annotations("ground_truth", complete(settings))


def test_exports_of_another_tree_in_the_same_folder_are_said(project, tmp_path):
    project.make("lists")
    other = write_tree(tmp_path / "clip", LISTED, dim=4)
    settings = complete({"lists": {"folder": str(tmp_path / "lists")}})
    warning = make("lists", other / "metadata.csv", settings).warnings[0]
    assert warning.startswith(
        f"{tmp_path}/lists/test.list was of {project.features} and now is of {other}; to have both"
    )
    project.make("ur_dmu")
    crops = {"lists": {"folder": str(tmp_path / "others")}, "crops": {"folder": str(tmp_path / "crops")}}
    assert not any("crops" in each for each in make("lists", other / "metadata.csv", complete(crops)).warnings)
    shutil.rmtree(other)
    assert not any("to have both" in each for each in project.make("lists").warnings), "the other is gone"


def test_ground_truth_follows_when_the_recordings_come(project, tmp_path):
    project.events.write_text("video_name,start_seconds,end_seconds\nf,0.1,0.3\ng,0,0.2\n")
    settings = {"ground_truth": events_of(project), "videos": str(tmp_path / "videos"), "snippet_times": True}
    assert any("is not here" in warning for warning in project.make("ground_truth", **settings).warnings)
    project.make("lists", **settings)
    assert project.make("ground_truth", **settings).written == []
    for video, _, _, frames, _ in LISTED:
        write_clip(tmp_path / "videos" / video, frames)
    made = project.make("ground_truth", **settings)
    assert not any("is not here" in warning for warning in made.warnings)
    times = project.lines("lists/test_snippet_times.csv")
    assert times[1].startswith("test/anomaly/f.mp4,0,0,15,0.000000,0.640000,timestamps")


def test_what_stays_as_it_was_beside_a_new_list_is_said(project):
    project.make("ground_truth", ground_truth=events_of(project))
    project.rewrite_table(lambda row: None if row["video"].startswith("test/anomaly/f") else row)
    project.events.write_text("no annotations\n")
    outcome = project.make("ground_truth", ground_truth=events_of(project))
    assert "no annotation of a known form" in outcome.errors[0]
    assert any("lists/test_gt.npy stays as it was made earlier, and may not fit" in each for each in outcome.warnings)


def test_a_second_call_finds_nothing_to_do(project):
    for target in TARGETS:
        outcome = project.make(target, ground_truth=events_of(project))
        assert outcome.errors == [] and (outcome.written or target == "deepmil")
    before = snapshot(project.folder)
    stamps = {path: path.lstat().st_mtime_ns for path in map(Path, before)}
    for target in TARGETS:
        outcome = project.make(target, ground_truth=events_of(project))
        assert (outcome.written, outcome.errors, outcome.warnings) == ([], [], [])
        assert "nothing to be done, its" in outcome.summary(target) and outcome.files
    assert snapshot(project.folder) == before
    assert {path: path.lstat().st_mtime_ns for path in stamps} == stamps


def test_ground_truth_with_a_validation_split_remakes_the_lists_without_it(project):
    """Training lists that went on holding the validation videos would leak them."""
    for target in ("lists", "tevad_s3r"):
        project.make(target, ground_truth=events_of(project))
    assert len(project.lines("lists/train_val.list")) == 5
    chosen = {"validation": {"fraction": 0.34}}
    outcome = project.make("ground_truth", ground_truth=events_of(project), lists=chosen)
    train, held_out = project.lines("lists/train_val.list"), project.lines("lists/val.list")
    assert len(held_out) == 2 and sorted(train + held_out) == sorted(
        str(project.features / video.replace("mp4", "npy")) for video, *_ in LISTED if video.startswith("train_val")
    )
    assert len(project.truth("val")) == 2 * 3 * 16
    anomalies = len([line for line in train if "anomaly" in line])
    assert f"'s/810/{anomalies}/'" in "".join(project.lines("lists/trainers.txt"))
    assert any("`lists.validation.fraction` was not set and is 0.34" in warning for warning in outcome.warnings)
    assert project.folder / "lists/trainers.txt" in outcome.written
    assert any(
        note.startswith("made again, to fit the others") and "i3d/train_val.list" in note for note in outcome.notes
    )
    outcome = project.make("lists", ground_truth=events_of(project))
    assert len(project.lines("lists/train_val.list")) == 5 and not (project.folder / "lists/val.list").exists()
    assert not (project.folder / "lists/val_gt.npy").exists() and "no split val is made any more" in outcome.notes[-1]


def test_settings_that_are_not_given_again_are_said_and_all_files_follow(project):
    short = {"min_snippets": {"test": 3}}
    project.make("ground_truth", ground_truth=events_of(project), lists=short)
    assert len(project.truth()) == 16 * 7
    outcome = project.make("lists")
    assert len(project.lines("lists/test.list")) == 3 and len(project.truth()) == 16 * 9
    (difference,) = [warning for warning in outcome.warnings if warning.startswith("other settings than")]
    assert "`lists.min_snippets.test` was 3 and is not set" in difference and "config/config.yaml" in difference
    assert np.flatnonzero(project.truth()).tolist() == [*range(3, 10), *range(32, 53)], "of the annotations of before"


def test_ground_truth_that_cannot_be_remade_is_said_to_be_older(project):
    project.make("ground_truth", ground_truth=events_of(project))
    before = project.truth()
    project.events.unlink()
    outcome = project.make("lists", lists={"min_snippets": {"test": 3}})
    assert len(project.lines("lists/test.list")) == 2 and np.array_equal(project.truth(), before)
    assert any("test_gt.npy stays as it was made earlier, and may not fit" in warning for warning in outcome.warnings)
    assert outcome.errors == []
    outcome = project.make("ground_truth")
    assert outcome.errors == [
        "ground_truth: set `annotations` to your events, in a form of docs/data.md, as by --config "
        "'ground_truth={annotations: FILE}'"
    ]


def test_crops_are_made_again_by_their_own_targets_only_and_said_until_then(project):
    project.make("vadclip", crops={"labels": "anomaly"})
    stamps = {path: path.stat().st_mtime_ns for path in (project.folder / "crops").rglob("*.npy")}
    assert len(stamps) == 80
    short = {"min_snippets": {"test": 3}}
    outcome = project.make("lists", lists=short)
    (older,) = [warning for warning in outcome.warnings if "will make them again" in warning]
    assert "crops/test.csv" in older and "the target vadclip will" in older
    assert {path: path.stat().st_mtime_ns for path in (project.folder / "crops").rglob("*.npy")} == stamps
    outcome = project.make("lists", asked=["vadclip"], lists=short)
    assert not any("will make them again" in warning for warning in outcome.warnings)
    outcome = project.make("vadclip", lists=short)
    left = {path: path.stat().st_mtime_ns for path in (project.folder / "crops").rglob("*.npy")}
    assert len(left) == 70 and left.items() <= stamps.items(), "crops of the same features are not written again"


def test_only_crops_of_changed_features_are_written_again(project):
    with_digests = {video: str(number) for number, (video, *_) in enumerate(LISTED)}
    project.rewrite_table(lambda row: row | {"feature_sha256": with_digests[row["video"]]})
    project.make("ur_dmu")
    with_digests["test/normal/h.mp4"] = "new"
    feature = project.features / "test/normal/h.npy"
    np.save(feature, np.load(feature) + 1)
    project.rewrite_table(lambda row: row | {"feature_sha256": with_digests[row["video"]]})
    outcome = project.make("ur_dmu")
    assert sorted(path.name for path in outcome.written) == [f"Normal_h__{crop}.npy" for crop in range(10)]
    assert np.array_equal(np.load(outcome.written[0]), np.load(feature)[:, 0])


def test_a_split_that_cannot_be_listed_stops_no_other(project):
    project.rewrite_table(lambda row: row | ({"label": ""} if row["video"].startswith("train_val/normal") else {}))
    outcome = project.make("lists")
    assert len(project.lines("lists/test.list")) == 3 and not (project.folder / "lists/train_val.list").exists()
    (error,) = outcome.errors
    assert error.startswith("train_val: normal says neither anomaly nor normal")


def test_features_that_differ_are_refused_by_name(tmp_path):
    for column, value, other in (("crops", "10", "5"), ("frequency", "16", "8"), ("dim", "2048", "512")):
        project = Project(tmp_path / column)
        project.rewrite_table(
            lambda row, value=(column, value, other): row
            | {value[0]: value[2 if row["video"].endswith("/g.mp4") else 1]}
        )
        outcome = project.make("lists")
        assert len(outcome.errors) == 1 and outcome.errors[0].startswith(f"{column}: test/anomaly/g.mp4 ({other})")


def test_the_frequency_is_that_of_the_features_not_of_the_configuration(project):
    project.rewrite_table(lambda row: row | {"frequency": "16"})
    outcome = project.make("ground_truth", ground_truth=events_of(project), frequency=8)
    assert len(project.truth()) == 9 * 16 and not any(
        "features of `frequency`" in warning for warning in outcome.warnings
    )
    project.rewrite_table(lambda row: row | {"frequency": "8"})
    outcome = project.make("lists")
    assert any("features of `frequency` 8" in warning for warning in outcome.warnings) and len(project.truth()) == 9 * 8
    project.make("ur_dmu")
    facts = json.loads((project.folder / "crops/test.json").read_text())
    assert (facts["frequency"], facts["dim"], facts["order"], facts["crops"]) == (8, 8, "original", 10)


def test_ground_truth_of_any_split(project):
    outcome = project.make("ground_truth", ground_truth=events_of(project) | {"splits": ["train_val"]})
    assert outcome.errors == [] and len(project.truth("train_val")) == 5 * 3 * 16


def test_a_tree_without_videos_that_are_ok_is_a_sentence(project):
    project.rewrite_table(lambda row: row | {"status": "skipped"})
    with pytest.raises(UserError, match="no video has features; metadata.csv says"):
        project.make("lists")


def test_a_label_that_is_missing_in_training_is_said(project):
    project.rewrite_table(lambda row: None if row["video"].startswith("train_val/normal") else row)
    outcome = project.make("lists")
    assert "train_val: no normal video there has features, and trainers train with both; add some" in outcome.warnings
    assert "batch" not in (project.folder / "lists/trainers.txt").read_text()
    assert len(project.lines("lists/train_val.list")) == 3


def test_snippet_times_are_written_when_asked_for(project):
    assert not any("snippet_times" in path.name for path in project.make("lists").written)
    outcome = project.make("lists", snippet_times=True)
    written = sorted(path.name for path in outcome.written)
    assert written == ["test_snippet_times.csv", "train_val_snippet_times.csv"]
    lines = project.lines("lists/test_snippet_times.csv")
    assert len(lines) == 1 + 9 and lines[1] == "test/anomaly/f.mp4,0,0,15,0.000000,0.533333,rate"
    assert project.make("lists", snippet_times=True).written == []
