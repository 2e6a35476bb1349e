"""A folder of numbered pictures from the command to the feature."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow

COUNT = 120  # beyond 100, where alphabetical order is another than that of numbers


def pictures():
    """RGB pictures of noise that moves, uint8 (48, 64, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for number in range(COUNT):
        yield np.roll(noise, (number, 3 * number), axis=(0, 1))


def write_lossless(path):
    """FFV1 in RGB."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())


def test_pictures_give_the_feature_of_a_lossless_video_and_all_else_is_counted(tmp_path):
    workflow = Workflow(tmp_path, {})
    folder = workflow.video("test/normal/01_0014")
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures()):
        Image.fromarray(picture).save(folder / f"{number}.png")
    write_lossless(workflow.video("test/normal/video.mkv"))
    for name in ("list.txt", "test/labels.mat", "test/more.MAT"):
        workflow.video(name).touch()

    assert "other     passed over: 2 .mat, 1 .txt (`extensions` adds suffixes)" in workflow.run("-n")
    assert "other     passed over: 2 .mat, 1 .txt\n" in workflow.run()
    assert json.loads(workflow.feature("feature_config.txt").read_text())[-1]["passed_over"] == {".mat": 2, ".txt": 1}
    of_pictures, of_video = (np.load(workflow.feature(f"test/normal/{name}.npy")) for name in ("01_0014", "video"))
    assert of_pictures.shape == ((COUNT - 8) // 8 + 1, 1, 2048)
    assert np.array_equal(of_pictures, of_video)
    rows = workflow.metadata()
    assert {(row["frames_decoded"], row["damaged"]) for row in rows.values()} == {(str(COUNT), "")}
    assert [rows[f"test/normal/{name}"]["decoder"] for name in ("01_0014", "video.mkv")] == ["pillow", "pyav"]
    assert "nothing to be done" in workflow.run().lower()
