"""Which videos a split's exports hold, and in which order."""

import pytest

from i3d.errors import UserError
from i3d.exports.copies import CopyNames
from i3d.exports.selection import Choice, select, splits, validation_videos
from tests.support.finished_trees import table, write_tree
from tests.support.rows import row

COPIES = CopyNames(["flip_h", "cropped", "augmented"])


def names(rows):
    return [each.video for each in rows]


def test_anomalies_come_first_and_what_is_not_ok_or_not_wanted_stays_out(tmp_path):
    rows = table(write_tree(tmp_path))
    rows.append(row("test/anomaly/gone.mp4", "orphaned", snippets=9))
    assert names(select(rows, "test", Choice()).rows) == [
        "test/anomaly/armed_002.MP4",
        "test/anomaly/theft.1.mp4",
        "test/non_anomaly/Normal_002.mp4",
    ]
    plain = select(rows, "train_val", Choice(categories=["anomaly", "non_anomaly"]))
    assert [each.category for each in plain.rows] == ["anomaly", "non_anomaly"]


def test_anomalies_come_first_whatever_the_folders_are_called(tmp_path):
    listed = [("t/Normal/n.mp4", 1, 0, 20, 30), ("t/anomaly/b.mp4", 1, 1, 20, 30), ("t/anomaly/a.mp4", 1, 1, 20, 30)]
    rows = table(write_tree(tmp_path, listed))
    assert names(select(rows, "t", Choice()).rows) == ["t/anomaly/a.mp4", "t/anomaly/b.mp4", "t/Normal/n.mp4"]


def test_what_cannot_be_ordered_is_refused(tmp_path):
    listed = [("test/anomaly/a.mp4", 1, 1, 20, 30), ("test/street/b.mp4", 1, "", 20, 30)]
    rows = table(write_tree(tmp_path, listed))
    with pytest.raises(UserError, match=r"street.*categories"):
        select(rows, "test", Choice())
    assert names(select(rows, "test", Choice(categories=["anomaly"])).rows) == ["test/anomaly/a.mp4"]
    with pytest.raises(UserError, match="^train: no video"):
        select(rows, "train", Choice())


def test_short_videos_are_left_out_by_name(tmp_path):
    rows = table(write_tree(tmp_path))
    chosen = select(rows, "test", Choice(min_snippets=3))
    assert names(chosen.rows) == ["test/anomaly/theft.1.mp4"]
    assert names(chosen.left_out) == ["test/anomaly/armed_002.MP4", "test/non_anomaly/Normal_002.mp4"]
    with pytest.raises(UserError, match="test: no video has 5 snippets"):
        select(rows, "test", Choice(min_snippets=5))


def large_tree():
    """60 anomalies and 20 normal videos to train with, each with two copies; 5 to test with."""
    rows = []
    for number in range(80):
        kind, label = ("anomaly", 1) if number < 60 else ("non_anomaly", 0)
        rows += [
            row(f"train_val/{kind}/v{number}.mp4", label=label, snippets=4),
            row(f"train_val/{kind}_cropped/v{number}.mp4", label=label, snippets=4),
            row(f"train_val/{kind}_augmented/v{number}_flip_h.mp4", label=label, snippets=4),
        ]
    return rows + [row(f"test/anomaly/t{number}.mp4", snippets=4) for number in range(5)]


def test_validation_takes_its_share_of_each_label_and_never_parts_copies_from_their_source():
    rows = large_tree()
    choice = Choice(copies=COPIES, validation=0.2, seed=3)
    held_out, kept = select(rows, "val", choice).rows, select(rows, "train_val", choice).rows
    assert [each.label for each in held_out] == [1] * 36 + [0] * 12
    assert sorted(names(held_out + kept)) == sorted(each.video for each in rows if each.split == "train_val")
    assert not {COPIES.source(video) for video in names(held_out)} & {COPIES.source(video) for video in names(kept)}
    assert len(select(rows, "test", choice).rows) == 5
    assert splits(rows, choice) == ["test", "train_val", "val"] and splits(rows, Choice()) == ["test", "train_val"]


def test_validation_depends_on_the_seed_and_hardly_on_new_videos():
    rows = large_tree()
    first = validation_videos(rows, Choice(copies=COPIES, validation=0.25, seed=1))
    assert first == validation_videos(rows[::-1], Choice(copies=COPIES, validation=0.25, seed=1))
    assert first != validation_videos(rows, Choice(copies=COPIES, validation=0.25, seed=2))
    more = [*rows, row("train_val/anomaly/new.mp4", snippets=4)]
    assert len(first ^ validation_videos(more, Choice(copies=COPIES, validation=0.25, seed=1))) <= 4


def test_validation_leaves_something_of_each_label_to_train_with():
    rows = [row(f"t/anomaly/{number}.mp4", snippets=3) for number in range(3)]
    rows += [row("t/non_anomaly/n.mp4", label=0, snippets=3), row("t/non_anomaly/n_flip_h.mp4", label=0, snippets=3)]
    choice = Choice(copies=COPIES, validation=0.9)
    assert len(select(rows, "val", choice).rows) == 2
    assert [each.label for each in select(rows, "t", choice).rows] == [1, 0, 0]
    with pytest.raises(UserError, match=r"val: 0.9 of each label's videos.*comes to none"):
        select(rows[2:], "val", choice)


def test_validation_needs_videos_and_a_free_name():
    rows = large_tree()
    only = [each for each in rows if each.split == "train_val"]
    with pytest.raises(UserError, match="no video outside train_val"):
        select(only, "val", Choice(validation=0.1, test_split="train_val"))
    with pytest.raises(UserError, match=r"val: the tree has this split.*fraction"):
        splits([*rows, row("val/anomaly/x.mp4")], Choice(validation=0.1))
