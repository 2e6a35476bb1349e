"""Kinetics-400's classes, in the order of the published weights."""

import hashlib

import numpy as np
import pytest
import torch

from i3d.backbones import backbone
from i3d.errors import UserError
from i3d.selfcheck.classes import Classifier, class_names

# Of the names in the order of video-nonlocal-net's process_data/kinetics/classids.json, without quotes and apostrophes,
# joined by newlines.
THEIR_ORDER = "80419ade0ebded337d2905ad52e6127960b497772d1498be2b606ab58ad591c6"

I3D_R50 = backbone("i3d_r50")


def test_torchvisions_order_is_that_of_the_published_weights():
    names = [name.replace('"', "").replace("'", "").replace("_", " ") for name in class_names()]
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == THEIR_ORDER


@pytest.fixture
def weights(tmp_path):
    """A file whose classifier takes feature i for class i."""
    path = tmp_path / "weights.pth"
    torch.save(
        {"fc.weight": torch.eye(400, 2048) * 10, "fc.bias": torch.zeros(400), "conv1.weight": torch.ones(1)}, path
    )
    return path


def test_the_likeliest_classes_come_first(weights):
    features = np.zeros((10, 2048), np.float32)
    features[:, 99] = 1  # 10 for class 99 in every crop
    features[:5, 7] = 1.6  # 8 for class 7, in the mean
    likeliest = Classifier.load(weights, I3D_R50).likeliest(features, 3)
    assert [name for name, _ in likeliest[:2]] == [class_names()[99], class_names()[7]]
    expected = np.exp([10, 8, 0]) / (np.exp(10) + np.exp(8) + 398)
    assert [likely for _, likely in likeliest] == pytest.approx(expected)


@pytest.mark.parametrize("classifier", [{}, {"fc.weight": torch.ones(14, 2048), "fc.bias": torch.ones(14)}])
def test_weights_without_kinetics_classes_have_none(tmp_path, classifier):
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.ones(1)} | classifier, path)
    assert Classifier.load(path, I3D_R50) is None


def test_no_weights_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none.pth"):
        Classifier.load(tmp_path / "none.pth", I3D_R50)
