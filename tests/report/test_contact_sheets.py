"""Contact sheets: which frames they show, and where they draw the crops."""

import av
import numpy as np
import pytest
from PIL import Image

from i3d.frame_stream import FRAME_SHAPE
from i3d.report import contact_sheets
from i3d.specs import FIVE_CROPS
from tests.support.figures import texts
from tests.support.rows import row


@pytest.fixture
def clip(tmp_path):
    """A video whose n-th of 30 frames is grey of brightness 8n, its left half darker by 8."""
    path = tmp_path / "videos/test/anomaly/clip.avi"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for place in range(30):
            image = np.full((48, 64, 3), 8 * place, np.uint8)
            image[:, :32] -= min(8, 8 * place)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_frames_come_from_the_places_asked_for_as_the_network_sees_them(clip, tmp_path):
    frames = contact_sheets.frames_at(clip, [3, 20, 99])
    assert [frame.shape for frame in frames] == [FRAME_SHAPE] * 2
    assert [int(frame[100, 300, 0]) for frame in frames] == [24, 160]
    assert [int(frame[100, 10, 0]) for frame in frames] == [16, 152]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert contact_sheets.frames_at(tmp_path / "broken.mp4", [0]) == []
    assert contact_sheets.frames_at(tmp_path / "gone.mp4", [0]) == []


def test_frames_come_from_folders_of_pictures_too(tmp_path):
    folder = tmp_path / "frames.1"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (64, 48), (8 * number,) * 3).save(folder / f"{number}.png")
    frames = contact_sheets.frames_at(folder, [3, 11])
    assert [(frame.shape, int(frame[100, 100, 0])) for frame in frames] == [(FRAME_SHAPE, 24), (FRAME_SHAPE, 88)]


def test_a_sheet_draws_all_ten_crops_where_they_are_cut(clip):
    rows = [row("test/anomaly/clip.avi", frames=30, snippets=1, crops=10), row("test/anomaly/x.avi", "failed")]
    figure = contact_sheets.sheet("test/anomaly", rows, clip.parents[2])
    assert texts(figure)[:2] == [
        "test/anomaly",
        "1 of 1 videos, frames resized to 340x256; crops numbered as in the feature files",
    ]
    plain, straight, mirrored = figure.axes[:3], figure.axes[3], figure.axes[4]
    assert [axes.texts[0].get_text() for axes in plain] == ["frame 2", "frame 14", "frame 26"]
    assert plain[0].get_title(loc="left") == "clip.avi, 1 snippet"
    for axes, numbers in ((straight, "01234"), (mirrored, "56789")):
        boxes = [
            (patch.get_y(), patch.get_x(), patch.get_width() + 1, patch.get_height() + 1) for patch in axes.patches
        ]
        assert boxes == [(y, x, 224, 224) for y, x in FIVE_CROPS]
        assert "".join(text.get_text() for text in axes.texts) == numbers
    image = straight.images[0].get_array()
    assert int(image[0, 339, 0]) - int(image[0, 0, 0]) == 8
    assert np.array_equal(mirrored.images[0].get_array(), image[:, ::-1])


def test_a_sheet_of_centre_crops_has_one_box_and_shows_at_most_six_videos(clip):
    rows = [row(f"test/anomaly/{n:02d}.avi", frames=30, snippets=1, crops=10) for n in range(20)]
    assert [each.video[-6:-4] for each in contact_sheets.pick(rows)] == ["00", "04", "08", "11", "15", "19"]
    centre = row("test/anomaly/clip.avi", frames=30, snippets=1, crops=1)
    figure = contact_sheets.sheet("test/anomaly", [centre], clip.parents[2])
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 0, 1]
    assert [text.get_text() for text in figure.axes[3].texts] == ["0"]


def test_the_largest_subsets_get_a_sheet(monkeypatch):
    monkeypatch.setattr(contact_sheets, "SHEETS", 2)
    rows = [row("a/1.mp4"), row("c/1.mp4"), row("c/2.mp4"), row("b/1.mp4"), row("b/2.mp4")]
    found = contact_sheets.largest_subsets(rows)
    assert list(found) == ["b", "c"] and found["c"] == rows[1:3]
