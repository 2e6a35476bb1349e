"""What data sets say of their videos, and what is wrong with a sheet or a list."""

import os
from pathlib import Path

import pytest

from i3d.config import complete
from i3d.datasets.naming import find_annotations, open_dataset, summary
from i3d.datasets.sheet import known_sheets, read_sheet
from i3d.errors import UserError
from i3d.exports.annotation_formats import read
from tests.support.data_sets import DATA_SETS

SEVENTH = """
title: Seventh
videos:
  - {path: "calm/**", category: calm}
  - {path: "**/{category}-[0-9]*"}
normal: [calm, "quiet*"]
splits:
  train: {lists: [train.csv]}
  test: {paths: ["**/evening/*"]}
annotations: {name: events.csv, format: csv}
"""


def opened(folder, name, **more):
    return open_dataset(complete({"videos": str(folder), "dataset": str(name)} | more))


@pytest.mark.parametrize("name", known_sheets())
def test_every_sheet_says_split_category_and_label_of_its_set(tmp_path, name):
    made = DATA_SETS[name]
    made.files(tmp_path)
    names = opened(tmp_path, name).names(made.videos)
    for video, expected in made.videos.items():
        said = names.of[video]
        if expected is None:
            assert said.split == "" and said.reason == f"{name} leaves it out"
        else:
            assert (said.split, said.category, int(said.label), said.reason) == (*expected, None), video
    assert {entry for own in names.missing.values() for entry in own} <= {
        "/scratch/x/MSAD-I3D-WS/MSAD_normal_frontdoor1_i3d.npy"  # its video is called frontdoor1
    }
    path, form = find_annotations(complete({"videos": str(tmp_path), "dataset": name}))
    assert path.exists() and form == read_sheet(name).sheet.annotations.format


def windows(content):
    """A text as an editor on Windows saves it."""
    return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("name", known_sheets())
def test_a_set_unpacked_deeper_with_lists_saved_anew_says_the_same(tmp_path, name):
    made = DATA_SETS[name]
    made.files(tmp_path / "Download (1)")
    for path in list(tmp_path.rglob("*.txt")) + list(tmp_path.rglob("*.list")):
        path.write_bytes(windows(path.read_bytes()))
        twin = tmp_path / "another copy" / path.relative_to(tmp_path)
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes(path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"  \n"))
        traces = tmp_path / "__MACOSX" / path.relative_to(tmp_path)
        traces.parent.mkdir(parents=True, exist_ok=True)
        traces.write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX/test_frame_mask").mkdir(exist_ok=True)
    deeper = {f"Download (1)/{video.replace('.mp4', '.MP4').replace('.avi', '.AVI')}": video for video in made.videos}
    names = opened(tmp_path, name).names(deeper).of
    for video, plain in deeper.items():
        expected = made.videos[plain]
        assert (names[video].split, names[video].category, names[video].label) == tuple(
            map(str, expected or ("", "", ""))
        ), video
    path, form = find_annotations(complete({"videos": str(tmp_path), "dataset": name}))
    assert read(path, form).events


def test_a_category_that_a_sheet_does_not_know_gives_no_label(tmp_path):
    """A browser's second copy, a mirrored one, and names that were changed."""
    odd = {
        "xd_violence": (
            "x_label_A (1)",
            "x_label_A_flip_h",
            "x_label_a",
            "x_label_C",
            "x_label_B1-A",
            "x_label_B1-0-0_",
        ),
        "ucf_crime": ("normal_videos_003_x264", "Testing_Normal_Videos_003_x264", "Abuse 001_x264", "abuse001_x264"),
        "msad": ("MSAD_anomaly_blur/Assault/assault_1", "normal/frontdoor_1", "Assault copy_1"),
        "tad": ("01_normal_001", "01_Accident_copy_001"),
    }
    for name, stems in odd.items():
        DATA_SETS[name].files(tmp_path)
        videos = [f"1-1004/{stem}.mp4" for stem in stems]
        names = opened(tmp_path, name).names(videos)
        for video in videos:
            said = names.of[video]
            assert (said.split, said.label) == ("", "")
            assert said.reason == f"{name} knows no category {said.category!r}, so it has no label"
    codes = ("A", "G", "B1", "G-0-0", "B1-B2-G", "B4-0-0", "B2-G-B6", "B5-G")
    videos = [f"1-1004/x_label_{code}.mp4" for code in codes]
    assert [own.label for own in opened(tmp_path, "xd_violence").names(videos).of.values()] == ["0"] + 7 * ["1"]


def test_a_folder_of_training_videos_is_never_taken_for_tests(tmp_path):
    DATA_SETS["xd_violence"].files(tmp_path)
    videos = [f"{folder}/x_label_A.mp4" for folder in ("train/videos", "XD/videos", "test/videos", "Train/1-1004")]
    said = [own.split for own in opened(tmp_path, "xd_violence").names(videos).of.values()]
    assert said == ["", "test", "test", "train"]


def seventh(folder, text=SEVENTH):
    (folder / "seventh.yaml").write_text(text)
    (folder / "train.csv").write_text("fight-1.mp4,fight\nquiet,er-3.mp4\ncalm/a b.mp4\ngone.mp4\nquiet,er-3.mp4\n")
    return folder / "seventh.yaml"


VIDEOS = (
    "x/fight-1.mp4",
    "x/evening/fight-2.mp4",
    "quiet,er-3.mp4",
    "calm/a b.mp4",
    "y/evening/z.mp4",
    "x/brawl-9.mp4",
)


def test_a_seventh_set_is_a_sheet_of_ten_lines(tmp_path):
    dataset = opened(tmp_path, seventh(tmp_path))
    names = dataset.names(VIDEOS)
    said = {video: (own.split, own.category, own.label) for video, own in names.of.items()}
    assert said == {
        "x/fight-1.mp4": ("train", "fight", "1"),
        "x/evening/fight-2.mp4": ("test", "fight", "1"),
        "quiet,er-3.mp4": ("train", "quiet,er", "0"),
        "calm/a b.mp4": ("train", "calm", "0"),
        "y/evening/z.mp4": ("", "", ""),
        "x/brawl-9.mp4": ("", "brawl", "1"),
    }
    assert names.of["x/brawl-9.mp4"].reason == "in none of train.csv"
    assert "says nothing of its category" in names.of["y/evening/z.mp4"].reason
    (tmp_path / "events.csv").write_text("")
    text = summary(opened(tmp_path, tmp_path / "seventh.yaml"), names)
    assert text.startswith(
        "Seventh: test 1 (1 anomaly), train 3 (1 anomaly); 2 videos not covered: extracted, but in no list"
    )
    assert "\n  x/brawl-9.mp4: in none of train.csv" in text
    assert "\n  train.csv names 1 video that `videos` lacks: gone.mp4" in text
    assert text.endswith("\n  lists: train.csv\n  annotations: events.csv")


def test_names_in_a_list_may_be_quoted_and_followed_by_more(tmp_path):
    dataset = opened(tmp_path, seventh(tmp_path))
    for line in (
        '"calm/a b.mp4"',
        "'calm\\a b'",
        "calm/a b.mp4;0;x",
        '"calm/a b.mp4", 0',
        "calm/a b\t0",
        "./calm/a b.npy",
    ):
        (tmp_path / "train.csv").write_text(f"{line}\n")
        dataset = opened(tmp_path, tmp_path / "seventh.yaml")
        assert dataset.names(VIDEOS).of["calm/a b.mp4"].split == "train", line


def test_a_name_with_spaces_is_not_taken_for_a_shorter_one(tmp_path):
    videos = ("cam.mp4", "cam 1.mp4", "b/fight.mp4", "x y 2-1.mp4", "x y.mp4")
    for line, video in (
        ("cam 1.mp4 266 1 75 110", "cam 1.mp4"),
        ("cam 2.mp4 266 1", None),
        ("cam 1 266", "cam 1.mp4"),
        ("fight 2.mp4", None),
        ("fight fight 2", "b/fight.mp4"),
        ("x y 2-1,0", "x y 2-1.mp4"),
    ):
        sheet = seventh(tmp_path, SEVENTH.replace('"**/{category}-[0-9]*"', '"**/*", category: x'))
        (tmp_path / "train.csv").write_text(f"{line}\n")
        names = opened(tmp_path, sheet).names(videos)
        assert [each for each, own in names.of.items() if own.split] == ([video] if video else []), line
        assert bool(names.missing) == (video is None)


def test_many_reasons_are_counted(tmp_path):
    videos = [f"{side}/fight-{number}.mp4" for number in range(8) for side in ("east", "west")]
    sheet = seventh(tmp_path)
    (tmp_path / "train.csv").write_text("".join(f"fight-{number}\n" for number in range(8)))
    dataset = opened(tmp_path, sheet)
    lines = summary(dataset, dataset.names(videos)).splitlines()
    assert lines[0].endswith("no video is covered; 16 videos not covered: extracted, but in no list")
    assert lines[1].endswith("or name the folders to take in `subsets`")
    assert lines[6:] == ["  and 3 other reasons, in metadata.csv", "  lists: train.csv"]


def test_a_list_that_does_not_tell_videos_apart_leaves_them_out_by_name(tmp_path):
    videos = ("east/fight-1.mp4", "west/fight-1.mp4", "x/evening/fight-2.mp4")
    names = opened(tmp_path, seventh(tmp_path)).names(videos)
    for video in videos[:2]:
        assert names.of[video].split == ""
        assert "train.csv, line 1: fight-1.mp4 fits east/fight-1.mp4, west/fight-1.mp4" in names.of[video].reason
    (tmp_path / "train.csv").write_text("west/fight-1.mp4\n")
    names = opened(tmp_path, tmp_path / "seventh.yaml").names(videos)
    assert [names.of[video].split for video in videos] == ["", "train", "test"]


def test_a_video_in_two_lists_is_in_no_split(tmp_path):
    text = SEVENTH.replace('{paths: ["**/evening/*"]}', "{lists: [test.csv]}")
    (tmp_path / "test.csv").write_text("fight-1\n")
    names = opened(tmp_path, seventh(tmp_path, text)).names(VIDEOS)
    assert (
        names.of["x/fight-1.mp4"].reason == "it is in train.csv and in test.csv" and not names.of["x/fight-1.mp4"].split
    )


def test_lists_are_named_in_the_configuration_or_asked_for(tmp_path):
    sheet = seventh(tmp_path)
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match=r"train.csv of Seventh is not under .*split_lists: \{train: PATH\}"):
        opened(tmp_path / "videos", sheet)
    own = opened(tmp_path / "videos", sheet, split_lists={"train": str(tmp_path / "train.csv")})
    assert own.names(VIDEOS).of["x/fight-1.mp4"].split == "train"
    (tmp_path / "more.csv").write_text("x/evening/fight-2\n")
    both = [str(tmp_path / "train.csv"), str(tmp_path / "more.csv")]
    more = opened(tmp_path / "videos", sheet, split_lists={"train": both})
    assert [more.names(VIDEOS).of[name].split for name in ("x/fight-1.mp4", "x/evening/fight-2.mp4")] == ["train"] * 2
    with pytest.raises(UserError, match="split_lists: .* has no split tset; its splits are train, test"):
        opened(tmp_path, sheet, split_lists={"tset": "x"})
    (tmp_path / "videos/train.csv").write_text("fight-1\n")
    (tmp_path / "videos/b").mkdir()
    (tmp_path / "videos/b/train.csv").write_text("fight-2\n")
    with pytest.raises(UserError, match=r"videos/train.csv, .*b/train.csv differ; name the right one"):
        opened(tmp_path / "videos", sheet)
    (tmp_path / "videos/b/train.csv").write_text("fight-1\n")
    assert opened(tmp_path / "videos", sheet).names(VIDEOS).of["x/fight-1.mp4"].split == "train"


def test_what_a_set_says_has_another_name_when_sheet_or_list_change(tmp_path):
    sheet = seventh(tmp_path)
    first = opened(tmp_path, sheet).digest
    assert opened(tmp_path, sheet).digest == first
    (tmp_path / "train.csv").write_text("fight-1\n")
    second = opened(tmp_path, sheet).digest
    seventh(tmp_path, SEVENTH.replace("[calm,", "[calmer,"))
    assert len({first, second, opened(tmp_path, sheet).digest}) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title: Seventh", "titel: Seventh", r"seventh.yaml, line 2: .*unknown field `titel`"),
        ('normal: [calm, "quiet*"]', "", "missing required field `normal`"),
        ("category: calm}", "category: 3}", r"seventh.yaml, line 4: .*category: Expected"),
        ("{lists: [train.csv]}", "{lists: train.csv}", r"line 8: .*lists: Expected `array`"),
        ("format: csv", "format: docx", r"line 10: annotations.format: Invalid enum value 'docx'"),
        ("{category}-", "x-", "must say the category once"),
        ("**/evening/*", "a[", r"splits.test.paths: 'a\['"),
        ("title: Seventh", "title: [", r"seventh.yaml, line 4: "),
        ("title: Seventh", "title: &a x\nsee: *a", r"seventh.yaml, line 3: aliases"),
        ("title: Seventh", "title: !!python/object/apply:os.system [x]", "line 2: could not determine a constructor"),
        ("title: Seventh", "title: " + "x" * 65000, "bytes are no sheet"),
        ("title: Seventh", "title: " + "[" * 5000, "seventh.yaml"),
        (SEVENTH, "", "Expected `object`"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_one_sentence(tmp_path, old, new, words):
    with pytest.raises(UserError, match=words) as caught:
        opened(tmp_path, seventh(tmp_path, SEVENTH.replace(old, new)))
    assert "\n" not in str(caught.value)


def test_a_sheet_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no sheet 'ufc_crime'; did you mean 'ucf_crime'\?"):
        read_sheet("ufc_crime")
    with pytest.raises(UserError, match="no sheet 'nowhere'; there are msad"):
        read_sheet("nowhere")
    with pytest.raises(UserError, match="nowhere.yaml cannot be read"):
        read_sheet(str(tmp_path / "nowhere.yaml"))


def test_a_sheet_or_list_that_is_no_file_is_said(tmp_path):
    sheet = seventh(tmp_path)
    (tmp_path / "train.csv").write_bytes("müde.mp4\n".encode("latin-1"))
    with pytest.raises(UserError, match="train.csv: not a readable list in UTF-8"):
        opened(tmp_path, sheet)
    (tmp_path / "train.csv").unlink()
    for number, put in enumerate((Path.mkdir, os.mkfifo)):
        put(odd := tmp_path / f"odd{number}.yaml")
        with pytest.raises(UserError, match="odd..yaml cannot be read"):
            read_sheet(str(odd))
        with pytest.raises(UserError, match="odd..yaml: not a readable list"):
            opened(tmp_path, sheet, split_lists={"train": str(odd)})
