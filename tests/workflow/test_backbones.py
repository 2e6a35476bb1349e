"""A tower of timm through the whole workflow, against the library's module called by hand."""

import numpy as np
import pytest

from i3d.backbones import backbone
from tests.support.clips import true_frames
from tests.support.libraries import CENTRE, TOLERANCE, by_hand, error, resized, timms, transform
from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow
DINO = "timm:vit_small_patch14_dinov2.lvd142m"
CLIP = "train_val/anomaly/a.mp4"


def test_dinos_features_and_what_the_table_says_of_them(tmp_path):
    project = Workflow(tmp_path / "project", {CLIP: 17}, clip_length=16, model=DINO, frame_pooling="middle")
    project.run()
    (features,) = np.load(project.feature("train_val/anomaly/a.npy"))
    frames = resized(true_frames(project.video(CLIP), 64, 48))
    expected = by_hand(timms(DINO, backbone(DINO).random_weights()), frames[8:9], CENTRE, transform(DINO))
    assert features.shape == (1, 384) and error(features[0], expected) < TOLERANCE
    row = project.metadata()[CLIP]
    told = [
        row[name] for name in ("model", "frame_pooling", "normalization", "crop_resize", "dim", "crops", "snippets")
    ]
    assert told == [DINO, "middle", "own", "518x518 bicubic", "384", "1", "1"]
    assert "timm=" in row["versions"]
    assert "Nothing to be done" in project.run("-n")
    assert project.planned(frame_pooling="mean") == {"train_val/anomaly/a.npy"}
