"""Names without folders, and what S3R learns its dictionary from."""

import pickle

import numpy as np
import pytest
import torch

from i3d.errors import UserError
from i3d.exports.flat_names import in_segments, links, s3r_pickle, video_ids
from tests.support.finished_trees import table, write_tree
from tests.support.rows import row


def test_a_name_that_two_splits_have_begins_with_the_split():
    """TEVAD reads captions by name from one folder, whatever the split."""
    rows = [row("train/anomaly/001.mp4"), row("train/anomaly/002.mp4"), row("test/anomaly/001.mp4")]
    assert video_ids(rows[:2], rows) == ["train__anomaly__001", "anomaly__002"]
    assert video_ids(rows[2:], rows) == ["test__anomaly__001"]


def test_names_of_a_data_set_are_its_own():
    rows = [row("A/Abuse/Abuse001_x264.mp4"), row("B/Normal_Videos003_x264.mp4")]
    for each in rows:
        each.split = "train"
    assert video_ids(rows, rows, plain=True) == ["Abuse001_x264", "Normal_Videos003_x264"]
    rows[1].feature_file = "B/Abuse001_x264.npy"
    with pytest.raises(UserError, match="both want Abuse001_x264_i3d.npy"):
        video_ids(rows, rows, plain=True)


def test_links_lead_to_the_features_from_behind_a_link(tmp_path):
    features = write_tree(tmp_path, dim=4)
    (tmp_path / "scratch/far/lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to("scratch/far/lists")
    rows = [each for each in table(features) if each.status == "ok"]
    for path, link in links(rows, video_ids(rows), features, tmp_path / "lists/i3d/x").items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link.target)
        assert not link.target.startswith("/") and np.load(path).shape[1:] == (10, 4)


@pytest.mark.parametrize("snippets", [1, 2, 31, 32, 33, 200])
def test_segments_are_linear_interpolations_as_opencvs(snippets):
    """The same sampling as torch's, without its corners aligned."""
    feature = np.random.default_rng(snippets).normal(size=(snippets, 10, 6)).astype(np.float32)
    flat = torch.from_numpy(feature).permute(1, 2, 0)
    expected = torch.nn.functional.interpolate(flat, size=32, mode="linear", align_corners=False)
    assert np.allclose(in_segments(feature), expected.permute(0, 2, 1).numpy(), atol=1e-5)


def test_the_pickle_holds_the_normal_videos(tmp_path):
    rows = table(write_tree(tmp_path, dim=4))
    rows = [each for each in rows if each.split == "train_val"]
    ids = video_ids(rows, rows)
    content = pickle.loads(s3r_pickle(rows, ids, tmp_path / "features"))
    assert list(content) == ["feature"] and list(content["feature"]) == ["non_anomaly__normal_001"]
    (array,) = content["feature"].values()
    assert array.shape == (10, 32, 4) and array.dtype == np.float32
    assert array[3, 0, 0] == 3 and array[3, -1, 0] == 13  # video 0: 10 t + c
