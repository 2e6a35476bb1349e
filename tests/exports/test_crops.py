"""One file per crop: names that every loader reads right, the order of crops, lists of the files."""

from pathlib import Path

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports import crops
from i3d.exports.receipts import RECEIPTS, publish
from i3d.exports.selection import Choice, select
from tests.support.finished_trees import table, write_tree


def chosen(features, split="test"):
    return select(table(features), split, Choice()).rows


def test_names_carry_the_label_and_no_space(tmp_path):
    listed = [
        ("t/anomaly/NormalLooking day.mp4", 1, 1, 20, 30),
        ("t/non anomaly/a street.mp4", 1, 0, 20, 30),
        ("t/normal/Normal_2.mp4", 1, 0, 20, 30),
        ("t/normal/myNormal.mp4", 1, 0, 20, 30),
    ]
    rows = table(write_tree(tmp_path, listed))
    assert [str(paths[9]) for paths in crops.crop_paths(rows, Path("c"))] == [
        "c/anomaly/normalLooking_day__9.npy",
        "c/non_anomaly/Normal_a_street__9.npy",
        "c/normal/Normal_2__9.npy",
        "c/normal/Normal_myNormal__9.npy",
    ]


def test_names_that_collide_are_refused(tmp_path):
    listed = [("t/normal/a b.mp4", 1, 0, 20, 30), ("t/normal/Normal_a b.mp4", 1, 0, 20, 30)]
    rows = table(write_tree(tmp_path, listed))
    with pytest.raises(UserError, match=r"a b.mp4 and t/normal/Normal_a b.mp4 both want"):
        crops.crop_paths(rows, Path("crops"))


def test_a_space_in_the_folder_is_refused_where_lines_are_cut_at_spaces(tmp_path):
    rows = chosen(write_tree(tmp_path))
    with pytest.raises(UserError, match=r"cut the lines of their lists at spaces.*crops: root"):
        crops.crop_lines(crops.crop_paths(rows, Path("my crops")))
    assert len(crops.one_crop_lines(crops.crop_paths(rows, Path("my crops")), 0)) == 3


def write(rows, features, folder, order="original"):
    publish(folder.parent / RECEIPTS / folder.name, crops.crop_files(rows, features, folder, order))


def test_crops_replace_those_that_were_there_when_all_are_written(tmp_path):
    features, out = write_tree(tmp_path), tmp_path / "crops/test"
    rows = chosen(features)
    write(rows, features, out)
    before = {path: path.read_bytes() for path in out.rglob("*.npy")}
    feature = features / "test/non_anomaly/Normal_002.npy"
    whole = feature.read_bytes()
    feature.unlink()
    with pytest.raises(UserError, match="gone"):
        write(rows, features, out, "tencrop")
    assert {path: path.read_bytes() for path in out.rglob("*.npy")} == before
    feature.write_bytes(whole)
    write(rows[:1], features, out)
    assert [path.name for path in out.iterdir()] == ["anomaly"], "the folder of the normal video is empty, and gone"
    write(rows, features, out)
    assert {path: path.read_bytes() for path in out.rglob("*.npy")} == before and len(before) == 30
    array = np.load(out / "anomaly/theft.1__4.npy")
    assert array.dtype == np.float32 and array[:, 0].tolist() == [404, 414, 424, 434]


def test_lines_are_counted_per_class(tmp_path):
    assert crops.crop_counts(chosen(write_tree(tmp_path))) == {
        "crops": 10,
        "videos": {"anomaly": 2, "normal": 1, "total": 3},
        "lines": {"anomaly": 20, "normal": 10, "total": 30},
    }


def test_centre_crop_features_give_one_file(tmp_path):
    features = write_tree(tmp_path, crops=1)
    rows = chosen(features)
    write(rows, features, tmp_path / "crops", "tencrop")
    names = ["Normal_002__0.npy", "armed_002__0.npy", "theft.1__0.npy"]
    assert sorted(path.name for path in (tmp_path / "crops").rglob("*.npy")) == names
    assert crops.one_crop_lines(crops.crop_paths(rows, Path("c")), 5)[0] == "c/anomaly/armed_002__0.npy"


def test_the_centre_is_the_centre_in_every_order(tmp_path):
    features = write_tree(tmp_path)
    rows = chosen(features)
    for order in crops.CROP_ORDERS:
        write(rows, features, tmp_path / order, order)
        (line, *_) = crops.one_crop_lines(crops.crop_paths(rows, tmp_path / order), crops.centre_crop(order))
        assert np.load(line)[0, 0] == 502, order  # video 5, snippet 0, our crop 2


def test_tencrop_order_is_torchvisions():
    import torch  # slow to import, and only wanted here
    from torchvision.transforms.functional import ten_crop

    frame = torch.arange(256 * 340).reshape(1, 256, 340)
    corners = [(0, 0), (0, 116), (16, 58), (32, 0), (32, 116)]  # ours: top left, top right, centre, bottom left, right
    ours = [frame[:, y : y + 224, x : x + 224] for y, x in corners]
    ours += [frame.flip(2)[:, y : y + 224, x : x + 224] for y, x in corners]
    theirs = ten_crop(frame, [224, 224])
    assert all(torch.equal(ours[place], crop) for place, crop in zip(crops.CROP_ORDERS["tencrop"], theirs, strict=True))
    assert sorted(crops.CROP_ORDERS["centre_first"]) == list(range(10))
