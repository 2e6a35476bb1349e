"""Clips and folders of pictures in one tree."""

import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from tests.support.workflow import Workflow, wait_until

pytestmark = pytest.mark.faults

FOLDERS = {"test/normal/01_0014": 17, "train_val/anomaly/x.1": 9, "train_val/anomaly/y": 20}  # names -> pictures


@pytest.fixture
def mixed(tmp_path):
    workflow = Workflow(tmp_path / "run", {"test/normal/a.mp4": 17, "train_val/anomaly/c.mp4": 9})
    for name, pictures in FOLDERS.items():
        workflow.video(name).mkdir()
        for number in range(pictures):
            noise = np.random.default_rng([number, pictures]).integers(0, 256, (48, 64, 3), np.uint8)
            Image.fromarray(noise).save(workflow.video(name) / f"img_{number}.png")
    return workflow


def test_a_killed_run_is_resumed(mixed, tmp_path):
    whole = Workflow(tmp_path / "whole", {})
    shutil.copytree(mixed.video("."), whole.video("."))
    whole.run()
    features = whole.features()
    assert {name.removesuffix(".npy") for name in features} == {*FOLDERS, "test/normal/a", "train_val/anomaly/c"}

    run = mixed.start()
    assert wait_until(mixed.staged, lambda: run.going)
    run.signal_all(signal.SIGKILL)
    run.end()
    done = {**mixed.staged(), **mixed.features()}
    shutil.rmtree(mixed.folder / "logs")
    mixed.unlock()
    mixed.run()
    assert mixed.features() == features
    assert done.items() <= features.items() and len(done) < len(features)
    for name in done:
        assert name.removesuffix(".npy") not in mixed.log("decode")
    assert {row["status"] for row in mixed.metadata().values()} == {"ok"}


def test_a_changed_folder_alone_is_done_again(mixed):
    mixed.run()
    before = mixed.features()
    (mixed.video("train_val/anomaly/y") / "img_19.png").unlink()
    Image.new("RGB", (64, 48)).save(mixed.video("train_val/anomaly/x.1") / "img_4.png")
    shutil.rmtree(mixed.video("test/normal/01_0014"))
    assert mixed.planned() == {"train_val/anomaly/y.npy", "train_val/anomaly/x.1.npy"}
    mixed.run()
    changed = {name for name, feature in mixed.features().items() if feature != before[name]}
    assert changed == {"train_val/anomaly/x.1.npy"}, "of y, the last picture was in no snippet"
    rows = mixed.metadata()
    assert (rows["train_val/anomaly/y"]["frames_decoded"], rows["test/normal/01_0014"]["status"]) == ("19", "orphaned")
    mixed.run("orphaned")
    assert "test/normal/01_0014.npy" not in mixed.features()
    assert mixed.planned() == set()
