"""Events: read, matched to videos, inherited by copies, mapped to other frame rates."""

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports import annotation_formats
from i3d.exports.annotation_formats import Event
from i3d.exports.annotations import labels_of_events, match_annotations, resampled
from i3d.exports.copies import CopyNames
from i3d.exports.selection import Choice, select
from tests.support.finished_trees import annotate, table, write_tree
from tests.support.rows import row


def read_annotations(path):
    return annotation_formats.read(path).events


COPIES = CopyNames(["flip_h", "cropped", "augmented"])


def matched(rows, annotations, split="test", copies=COPIES):
    return match_annotations(annotations, rows, select(rows, split, Choice(copies=copies)).rows, copies)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mp4,9,5,x", r"line 2.*before it starts"),
        ("a.mp4,1.5,5,x", "whole frame"),
        ("a.mp4,1", "whole frame"),
    ],
)
def test_bad_rows_are_named(tmp_path, line, message):
    with pytest.raises(UserError, match=message):
        read_annotations(annotate(tmp_path, line))


def test_second_events_in_columns_are_refused(tmp_path):
    path = tmp_path / "annotations.csv"
    head = "video_name,start_annotation,end_annotation,event_name,second_event\n"
    path.write_text(head + "a.mp4,1,5,x,0\n")
    assert read_annotations(path) == {"a.mp4": [Event(1, 5, "x")]}
    path.write_text(head + "a.mp4,1,5,x,1\n")
    with pytest.raises(UserError, match="row of its own"):
        read_annotations(path)


def test_spaces_after_commas_and_more_columns_do(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text('video_name, start_annotation, end_annotation, event_name, rate\n"a, b.mp4", 1, 5, x, 30\n')
    assert read_annotations(path) == {"a, b.mp4": [Event(1, 5, "x")]}
    path.write_text("video_name,start_annotation,end_annotation\na.mp4,1,5\na.mp4,-1,-1\nb,-1,-1\n")
    assert read_annotations(path) == {"a.mp4": [Event(1, 5)], "b": []}


def test_what_is_no_table_of_events_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.csv: no such file"):
        read_annotations(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="holds neither masks"):
        read_annotations(tmp_path)
    (tmp_path / "x.csv").write_text("video_name,start\n")
    with pytest.raises(UserError, match="no column start_annotation, end_annotation in"):
        read_annotations(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_bytes("video_name,start_annotation,end_annotation\né,1,2\n".encode("latin-1"))
    with pytest.raises(UserError, match="not a text in UTF-8"):
        read_annotations(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["test/anomaly/theft.1.mp4", "test/anomaly/theft.1", "theft.1.mp4", "theft.1"])
def test_a_name_is_a_path_or_a_file_name_with_or_without_suffix(tmp_path, name):
    found = matched(table(write_tree(tmp_path)), {name: [Event(5, 9)]})
    assert found.events == {"test/anomaly/theft.1.mp4": [Event(5, 9)]}
    assert (found.unknown, found.heirs, found.warnings) == ([], {}, [])


def test_names_of_no_video_are_told_and_those_of_other_splits_passed_over(tmp_path):
    rows = table(write_tree(tmp_path))
    found = matched(rows, {"lost.mp4": [Event(0, 1)], "armed_001": [Event(0, 1)], "short.mp4": [Event(0, 1)]})
    assert found.unknown == ["lost.mp4"] and found.events == {}


def test_a_name_that_fits_two_videos_is_refused():
    rows = [row(f"test/{camera}/anomaly/x.mp4", snippets=3) for camera in ("east", "west")]
    with pytest.raises(UserError, match=r"x: this annotated name fits test/east.*, test/west.*path below"):
        matched(rows, {"x": [Event(0, 1)]})
    assert matched(rows, {"test/west/anomaly/x": [Event(0, 1)]}).events == {"test/west/anomaly/x.mp4": [Event(0, 1)]}


def test_a_path_is_that_video_however_many_end_in_it():
    rows = [row("test/anomaly/x.mp4", snippets=3), row("old/test/anomaly/x.mp4", snippets=3)]
    for name in ("test/anomaly/x.mp4", "test/anomaly/x"):
        assert matched(rows, {name: [Event(0, 1)]}).events == {"test/anomaly/x.mp4": [Event(0, 1)]}


def test_events_of_a_video_of_that_name_in_another_folder_are_not_taken():
    """The other video is missing; a foreign root, and names without folders, are no contradiction."""
    rows = [row("test/anomaly/01.mp4", snippets=3)]
    for root in ("", "/data/", "C:\\data\\"):
        found = matched(
            rows, {f"{root}test/anomaly/01.mp4": [Event(0, 1)], f"{root}train/anomaly/01.mp4": [Event(5, 9)]}
        )
        assert found.events == {"test/anomaly/01.mp4": [Event(0, 1)]}
        assert found.unknown == [f"{root}train/anomaly/01.mp4"]
    both = matched(rows, {"01": [Event(0, 1)], "test/anomaly/01.mp4": [Event(5, 9)]})
    assert both.events == {"test/anomaly/01.mp4": [Event(0, 1), Event(5, 9)]}
    foreign = matched(rows, {"Videos/Crime/01.mp4": [Event(0, 1)]})
    assert foreign.events == {"test/anomaly/01.mp4": [Event(0, 1)]}


def test_what_follows_a_dot_may_be_part_of_a_name():
    rows = [row(f"test/anomaly/{name}", snippets=3, feature_file=f"test/anomaly/{name}.npy") for name in ("x", "x.1")]
    rows.append(row("test/anomaly/x_flip_h", snippets=3, feature_file="test/anomaly/x_flip_h.npy"))
    found = matched(rows, {"x": [Event(0, 1)], "x.1": [Event(5, 9)], ".": [Event(0, 1)]})
    assert found.events["test/anomaly/x_flip_h"] == [Event(0, 1)]
    assert found.unknown == ["."]


def test_a_name_is_held_against_the_videos_of_all_splits_and_of_no_others():
    rows = [row(f"{split}/anomaly/x.mp4", snippets=3) for split in ("test", "train")]
    with pytest.raises(UserError, match="x: this annotated name fits test/anomaly/x.mp4, train/anomaly/x.mp4"):
        matched(rows, {"x": [Event(0, 1)]})
    rows[1].split = ""  # as of a video that a data set leaves out
    assert matched(rows, {"x": [Event(0, 1)]}).events == {"test/anomaly/x.mp4": [Event(0, 1)]}
    rows[1].video = "train/anomaly/y.mp4"
    assert matched(rows, {"y": [Event(0, 1)]}).unknown == []


def test_copies_inherit_the_events_of_their_source_unless_they_have_their_own():
    rows = [
        row("t/anomaly/x.mp4", frames=90, fps=30.0, snippets=5),
        row("t/anomaly_cropped/x.mp4", frames=90, fps=30.0, snippets=5),
        row("t/anomaly_augmented/x_flip_h.mp4", frames=90, fps=30.0, snippets=5),
        row("t/anomaly_augmented/y_flip_h.mp4", frames=90, fps=30.0, snippets=5),
    ]
    found = matched(rows, {"x.mp4": [Event(3, 9, "theft")]}, "t")
    assert found.events == {each.video: [Event(3, 9, "theft")] for each in rows[:3]}
    assert found.heirs == dict.fromkeys((each.video for each in rows[1:3]), "t/anomaly/x.mp4")
    own = matched(rows, {"x": [Event(3, 9)], "t/anomaly_cropped/x": [Event(0, 1)]}, "t")
    assert own.events["t/anomaly_cropped/x.mp4"] == [Event(0, 1)] and own.events["t/anomaly/x.mp4"] == [Event(3, 9)]
    assert matched(rows, {"x.mp4": []}, "t").events["t/anomaly_augmented/x_flip_h.mp4"] == []
    with pytest.raises(UserError, match="fits"):
        matched(rows, {"x": [Event(3, 9)]}, "t", copies=CopyNames())


def test_a_copy_inherits_from_a_source_in_another_split_or_outside_the_tree():
    source = row("train/anomaly/x.mp4", frames=90, fps=30.0, snippets=5)
    copy = row("test/anomaly/x_flip_h.mp4", frames=90, fps=30.0, snippets=5)
    for rows in ([source, copy], [copy]):
        found = matched(rows, {"x.mp4": [Event(3, 9)]})
        assert found.events == {copy.video: [Event(3, 9)]} and found.unknown == []


def test_inherited_frames_correspond_or_are_not_inherited():
    source = row("t/anomaly/x.mp4", frames=90, fps=30.0, snippets=5)
    slow = row("t/anomaly/x_flip_h.mp4", frames=45, fps=15.0, snippets=2)
    found = matched([source, slow], {"x.mp4": [Event(30, 59, "a")]}, "t")
    assert found.events[slow.video] == [Event(15, 29, "a")]
    cut = row("t/anomaly/x_cropped.mp4", frames=60, fps=30.0, snippets=3)
    found = matched([source, cut], {"x.mp4": [Event(30, 59)]}, "t")
    assert cut.video not in found.events
    (warning,) = found.warnings
    assert "x_cropped.mp4: a copy of t/anomaly/x.mp4, but of another length (60 frames to 90)" in warning


def test_a_copy_of_one_of_two_is_told():
    rows = [row(f"t/{camera}/anomaly/x.mp4", snippets=3) for camera in ("east", "west")]
    rows.append(row("test/anomaly/x_flip_h.mp4", snippets=3))
    found = matched(rows, {"x": [Event(0, 1)]})
    assert found.events == {} and "a copy of which of t/east" in found.warnings[0]


def fps_filter(frames, source, target):
    """Which source frame ffmpeg's fps filter shows in each output frame: the last one whose rounded time is due."""
    due = [int(np.floor(frame * target / source + 0.5)) for frame in range(frames)]
    return [max(frame for frame in range(frames) if due[frame] <= out) for out in range(due[-1] + 1)]


@pytest.mark.parametrize(("source", "target"), [(30, 30), (60, 30), (30, 25), (25, 30), (12.5, 30), (29.97, 10)])
def test_events_follow_their_frames_through_resampling(source, target):
    shown = fps_filter(90, source, target)
    first, last, name = resampled(Event(20, 61, "x"), source, target)
    assert [out for out, frame in enumerate(shown) if 20 <= frame <= 61] == list(range(first, last + 1))
    assert name == "x"


def test_a_video_is_labelled_by_its_first_event():
    rows = [row("t/a/x.mp4"), row("t/a/y.mp4"), row("t/a/z.mp4")]
    events = {"t/a/x.mp4": [Event(9, 10, "theft"), Event(1, 2, "fight")], "t/a/y.mp4": [Event(1, 2)]}
    assert labels_of_events(rows, events) == {"t/a/x.mp4": "fight"}
