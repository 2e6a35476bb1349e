"""Annotations as data sets publish them, recognised by their content."""

import os
from pathlib import Path

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span, content_digest, read


def written(tmp_path, text, name="annotations.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_ucf_crimes_text(tmp_path):
    """Two spaces, -1 for none, names with and without suffix, one event or two."""
    text = "Abuse028_x264.mp4  Abuse  165  240  -1  -1  \nArson011_x264  Arson  150  420  680  1267  \n"
    found = read(written(tmp_path, text + "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  \n\n"))
    assert found == (
        "ucf_crime",
        {
            "Abuse028_x264.mp4": [Event(165, 240, "Abuse")],
            "Arson011_x264": [Event(150, 420, "Arson"), Event(680, 1267, "Arson")],
            "Normal_Videos_003_x264.mp4": [],
        },
        {},
    )


def test_xd_violences_pairs_with_and_without_classes(tmp_path):
    lines = "v=S-7r__#1_label_B4-0-0 0 1517 1970 3038\nv=u5__#00-00-00_00-01-00_label_G-0-0 77 1430\n"
    found = read(written(tmp_path, lines))
    assert found.format == "xd_violence" and found.events == {
        "v=S-7r__#1_label_B4-0-0": [Event(0, 1517), Event(1970, 3038)],
        "v=u5__#00-00-00_00-01-00_label_G-0-0": [Event(77, 1430)],
    }
    classes = "v=S__#1_label_B4-0-0 B4 0 1517 G 1970 3038\nv=u__#1_label_G-0-0 G 77 1430\n"
    assert read(written(tmp_path, classes)).events == {
        "v=S__#1_label_B4-0-0": [Event(0, 1517, "B4"), Event(1970, 3038, "G")],
        "v=u__#1_label_G-0-0": [Event(77, 1430, "G")],
    }


def test_one_event_with_a_class_in_each_line_is_of_the_form_that_is_asked_for(tmp_path):
    """It may be UCF-Crime's, too. A pair of -1 is none in both."""
    path = written(tmp_path, "x_label_B4-0-0 B4 0 1517\ny_label_G-0-0 G -1 -1\n")
    assert read(path).format == "ucf_crime"
    assert read(path, "xd_violence")[:2] == (
        "xd_violence",
        {"x_label_B4-0-0": [Event(0, 1517, "B4")], "y_label_G-0-0": []},
    )
    assert read(written(tmp_path, "x -1 -1\ny 3 9\n")).events == {"x": [], "y": [Event(3, 9)]}


def test_tads_lines_say_the_frames_in_all(tmp_path):
    text = "frames/abnormal/01_Accident_006.mp4 266 1 75 110\nframes/normal/Normal_008.mp4 77 0 0 77\n"
    assert read(written(tmp_path, text)) == (
        "tad",
        {"frames/abnormal/01_Accident_006.mp4": [Event(75, 110)], "frames/normal/Normal_008.mp4": []},
        {"frames/abnormal/01_Accident_006.mp4": 266, "frames/normal/Normal_008.mp4": 77},
    )


def test_msads_table_counts_from_one(tmp_path):
    head = "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly\n"
    found = read(written(tmp_path, head + "Assault_1,shop,426,55,426\nNormal_1,street,200,,\n", "a.csv"))
    assert found == (
        "msad",
        {"Assault_1": [Event(54, 425)], "Normal_1": []},
        {"Assault_1": 426, "Normal_1": 200},
    )
    tabs = (head + "Assault_1,shop,426,55,426\n").replace(",", "\t")
    assert read(written(tmp_path, tabs, "a.tsv")).events == {"Assault_1": [Event(54, 425)]}


def test_masks_of_frames(tmp_path):
    (tmp_path / "masks/deeper").mkdir(parents=True)
    np.save(tmp_path / "masks/01_0014.npy", np.array([0, 1, 1, 0, 0, 255], np.uint8))
    np.save(tmp_path / "masks/deeper/01_0015.npy", np.zeros((1, 4), bool))
    assert read(tmp_path / "masks") == (
        "masks",
        {"01_0014": [Event(1, 2), Event(5, 5)], "01_0015": []},
        {"01_0014": 6, "01_0015": 4},
    )
    for name in ("masks/._01_0014.npy", "masks/__MACOSX/._01_0014.npy", "masks/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert list(read(tmp_path / "masks").events) == ["01_0014", "01_0015"]
    np.save(tmp_path / "masks/bad.npy", np.zeros((3, 4)))
    with pytest.raises(UserError, match=r"bad.npy: a mask has one value per frame, not the shape \(3, 4\)"):
        read(tmp_path / "masks")
    (tmp_path / "masks/bad.npy").write_bytes(b"\x80\x04x")
    with pytest.raises(UserError, match="bad.npy: not a readable mask"):
        read(tmp_path / "masks")


def test_tracks_of_objects(tmp_path):
    folder = tmp_path / "Scene1/abnormal_scene_1_scenario_2_annotations"
    folder.mkdir(parents=True)
    path = written(folder, "1.0,30.0,59.0\n2,40,90\n", "abnormal_scene_1_scenario_2_tracks.txt")
    assert read(tmp_path) == ("tracks", {"abnormal_scene_1_scenario_2": [Event(30, 59), Event(40, 90)]}, {})
    (tmp_path / "copy").mkdir()
    copy = written(tmp_path / "copy", path.read_text(), path.name)
    assert len(read(tmp_path).events) == 1
    copy.write_text("1,30,58\n")
    with pytest.raises(UserError, match=r"Scene1/.*_tracks.txt and .*copy/.*_tracks.txt differ; remove one"):
        read(tmp_path)
    copy.unlink()
    path.write_text("1,9\n")
    with pytest.raises(UserError, match=r"_tracks.txt, line 1: must be object,first,last"):
        read(tmp_path)


def test_links_that_lead_round_are_followed_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/again").symlink_to(tmp_path / "a")
    (tmp_path / "a/x_tracks.txt").write_text("1,3,9\n")
    assert read(tmp_path).events == {"x": [Event(3, 9)]}


def test_seconds(tmp_path):
    head = "video_name,start_seconds,end_seconds,event_name\n"
    found = read(written(tmp_path, head + "a.mp4,1.5,0:01:02.25,x\na.mp4,70,1:15,\nb,-1,-1,\n", "a.csv"))
    assert found.events == {"a.mp4": [Span(1.5, 62.25, "x"), Span(70, 75)], "b": []}
    for cells, words in (
        ("5,1", "ends .second 1.0. before it starts"),
        ("x,1", "must be like 12.5"),
        ("nan,1", "must be"),
    ):
        with pytest.raises(UserError, match=words):
            read(written(tmp_path, head + f"a,{cells},\n", "a.csv"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.mp4 1 2\nb.mp4 one two\n", 2),
        ("a.mp4\n", 1),
        ("a  Abuse  1  2\nb  Abuse  1\n", 2),
        ("\x00\x01", 1),
    ],
)
def test_what_is_of_no_known_form_is_said_with_its_line(tmp_path, text, line):
    with pytest.raises(UserError, match=rf"annotations.txt, line {line}: no annotation of a known form"):
        read(written(tmp_path, text))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, text):
    with pytest.raises(UserError, match="annotations.txt: holds no annotations; name the right file"):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("Abuse028_x264.mp4  Abuse  165  240  -1  -1", "ucf_crime"),
        ("v=S-7r__#1_label_B4-0-0 165 240", "xd_violence"),
        ("frames/abnormal/01_Accident_006.mp4 266 1 165 240", "tad"),
    ],
)
def test_other_line_ends_and_tabs_make_no_difference(tmp_path, line, form):
    plain = read(written(tmp_path, f"{line}\n"))
    assert plain.format == form and [event[:2] for own in plain.events.values() for event in own] == [(165, 240)]
    for text in (f"\ufeff{line}  \r\n\r\n", "\t".join(line.split()), f"\n{line}\r"):
        assert read(written(tmp_path, text)) == plain


def test_an_event_that_runs_backward_is_named(tmp_path):
    with pytest.raises(UserError, match=r"annotations.txt, line 2: the event of b ends \(frame 1\) before it starts"):
        read(written(tmp_path, "a  Abuse  1  2  -1  -1\nb  Abuse  5  1  -1  -1\n"))


def test_the_form_that_a_data_set_is_known_for_is_asked_for(tmp_path):
    path = written(tmp_path, "v=S 0 15\n")
    assert read(path, "xd_violence").format == "xd_violence"
    with pytest.raises(UserError, match="of the form xd_violence, not ucf_crime"):
        read(path, "ucf_crime")


def test_the_digest_is_another_when_something_changes(tmp_path):
    path = written(tmp_path, "a 1 2\n")
    first = content_digest(path)
    path.write_text("a 1 3\n")
    (tmp_path / "masks").mkdir()
    empty = content_digest(tmp_path / "masks")
    np.save(tmp_path / "masks/a.npy", np.zeros(3))
    assert len({first, content_digest(path), empty, content_digest(tmp_path / "masks")}) == 4
    assert content_digest(tmp_path / "nowhere") == ""


def test_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes("video_name\nMüll".encode("latin-1"))
    with pytest.raises(UserError, match="events.csv: not a text in UTF-8"):
        read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"events.csv: cannot be read \(not a regular file\)"):
        read(path)
    assert content_digest(path) == ""
    masks = tmp_path / "masks"
    masks.mkdir()
    for put in (Path.touch, os.mkfifo, lambda path: np.save(path, np.array([None]), allow_pickle=True)):
        put(masks / "a.npy")
        with pytest.raises(UserError, match="a.npy: not a readable mask"):
            read(masks)
        (masks / "a.npy").unlink()
