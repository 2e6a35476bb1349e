"""The report: what its figures, pages and contact sheets say, and the script that draws them."""

import csv
import re
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from i3d.frame_stream import FRAME_SHAPE
from i3d.network.specs import FIVE_CROPS
from i3d.report import contact_sheets as contact
from i3d.report import figures, pages
from i3d.report import statistics as insight
from tests.support.paths import SCRIPTS
from tests.support.rows import row

SCRIPT = SCRIPTS / "report.py"


def texts(figure):
    """All that a figure says, outside and inside its axes."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in [*axes.texts, *axes.get_yticklabels(), axes.xaxis.label]]
        found += [axes.get_title(loc="left")]
    return [text for text in found if text]


def finished(count=12, **more):
    return [
        row(f"train_val/anomaly/{n}.mp4", frames=100 + n, fps=25.0, snippets=6, seconds=2.0, **more)
        for n in range(count)
    ]


def test_counts_figure_names_every_subset_with_its_numbers():
    rows = [*finished(3), row("test/anomaly/a.mp4", "skipped"), row("test/anomaly/b.mp4", "failed")]
    figure = figures.counts(rows)
    assert texts(figure)[0] == "3 of 5 videos have features"
    assert {"test/anomaly", "train_val/anomaly", "1 skipped · 1 failed", "3 ok"} <= set(texts(figure))
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == [0, 3, 1, 0, 1, 0]  # ok, skipped, failed; test/anomaly before train_val/anomaly
    assert texts(figures.counts(finished(3)))[0] == "All 3 videos have features"


def test_lengths_figure_counts_each_video_once_by_label():
    rows = [
        *finished(10),
        row("t/normal/n.mp4", label=0, frames=5000, fps=25.0, snippets=312),
        row("t/a/x.mp4", "failed"),
    ]
    figure = figures.lengths(rows)
    assert texts(figure)[0] == "4 min of video in 11 videos; half are shorter than 4 s"
    for axes in figure.axes:
        assert sum(patch.get_height() for patch in axes.patches) == 11
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["anomaly", "normal"]


def test_speed_figure_names_the_slowest():
    slow = row("test/anomaly/slow.mp4", frames=100, seconds=10.0)
    figure = figures.speed([*finished(5), slow, row("test/anomaly/x.mp4", "failed", frames=1, seconds=9.0)])
    assert texts(figure)[:2] == ["51 frames/s for the median video", "slowest: test/anomaly/slow.mp4, 10 frames/s"]
    left, right = figure.axes
    assert len(left.collections[0].get_offsets()) == 6
    assert sum(patch.get_height() for patch in right.patches) == 6
    assert texts(figures.speed([row("a/b.mp4")]))[0] == "No video has its time recorded"


def test_magnitude_figure_names_outliers():
    rows = [*finished(9), row("train_val/anomaly/black.mp4")]
    statistics = insight.Statistics(
        rows, np.zeros((10, 4), np.float32), np.array([20.0 + n / 10 for n in range(9)] + [2])
    )
    figure = figures.magnitude(statistics, insight.outliers(statistics))
    assert texts(figure)[0] == "1 video stands out by feature magnitude"
    assert any(re.fullmatch(r"black\.mp4 \(z -\d+\.\d\)", text) for text in texts(figure))
    assert len(figure.axes[0].collections[0].get_offsets()) == 10
    assert texts(figures.magnitude(statistics, []))[0] == "No video stands out by magnitude"


def test_similarity_figure_counts_near_copies():
    pairs = [insight.Neighbour(row("test/a.mp4"), row("train/b.mp4"), value) for value in (1.0000001, 0.95, 0.3, -0.2)]
    figure = figures.similarity(pairs)
    assert texts(figure)[0] == "Near copies in another split: 2 of 4 test videos"
    by_colour = {}
    for patch in figure.axes[0].patches:
        by_colour[patch.get_facecolor()] = by_colour.get(patch.get_facecolor(), 0) + patch.get_height()
    assert sorted(by_colour.values()) == [2, 2]
    assert texts(figures.similarity(pairs[2:]))[0] == "No test video has a near copy in another split"
    assert texts(figures.similarity([]))[0].startswith("Nothing to compare")


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        figures.save(figures.counts(finished(3)), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_pages_escape_names_mark_near_copies_and_stop_at_a_limit():
    pairs = [insight.Neighbour(row("test/<b>&.mp4"), row("train/x.mp4"), 0.99)]
    pairs += [insight.Neighbour(row(f"test/{n}.mp4"), row("train/x.mp4"), 0.1) for n in range(150)]
    page = pages.neighbour_page(pairs)
    assert "test/&lt;b&gt;&amp;.mp4" in page and "<b>" not in page
    assert page.count('class="marked"') == 1 and page.count("<td class=number>") == pages.SHOWN
    assert "51 more in the CSV" in page
    page = pages.outlier_page([insight.Outlier(row("t/a/x.mp4", damaged="3 packets"), 1.5, -9.0)])
    assert "t/a/x.mp4" in page and "3 packets" in page and "-9.0" in page
    assert "None: every video" in pages.outlier_page([])


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
    frames = contact.frames_at(clip, [3, 20, 99])
    assert [frame.shape for frame in frames] == [FRAME_SHAPE] * 2
    assert [int(frame[100, 300, 0]) for frame in frames] == [24, 160]
    assert [int(frame[100, 10, 0]) for frame in frames] == [16, 152]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert contact.frames_at(tmp_path / "broken.mp4", [0]) == []
    assert contact.frames_at(tmp_path / "gone.mp4", [0]) == []


def test_a_sheet_draws_all_ten_crops_where_they_are_cut(clip):
    rows = [row("test/anomaly/clip.avi", frames=30, snippets=1), row("test/anomaly/x.avi", "failed")]
    figure = contact.sheet("test/anomaly", rows, clip.parents[2])
    assert texts(figure)[:2] == [
        "test/anomaly",
        "1 of 1 videos, frames resized to 340x256; crops numbered as in the feature files",
    ]
    plain, straight, mirrored = figure.axes[:3], figure.axes[3], figure.axes[4]
    assert [axes.texts[0].get_text() for axes in plain] == ["frame 2", "frame 14", "frame 26"]
    assert plain[0].get_title(loc="left") == "clip.avi, 1 snippets"
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
    rows = [row(f"test/anomaly/{n:02d}.avi", frames=30, snippets=1) for n in range(20)]
    assert [each.video[-6:-4] for each in contact.pick(rows)] == ["00", "04", "08", "11", "15", "19"]
    figure = contact.sheet(
        "test/anomaly", [row("test/anomaly/clip.avi", frames=30, snippets=1)], clip.parents[2], crops=1
    )
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 0, 1]
    assert [text.get_text() for text in figure.axes[3].texts] == ["0"]


def test_the_script_draws_everything(clip, tmp_path):
    features = tmp_path / "features"
    columns = ["video", "feature_file", "status", "reason", "snippets", "crops", "split", "category", "label"]
    columns += ["frames_decoded", "fps", "seconds", "damaged"]
    rows = [("test/anomaly/clip.avi", "test/anomaly/clip.npy", "ok", "", 1, 10, "test", "anomaly", 1, 30, 25, 0.5, "")]
    rows += [("train/anomaly/a.avi", "train/anomaly/a.npy", "ok", "", 1, 10, "train", "anomaly", 1, 30, 25, 0.5, "")]
    rows += [("train/anomaly/b.avi", "", "failed", "killed", "", "", "train", "anomaly", 1, "", "", "", "")]
    for split in ("test", "train"):
        (features / split / "anomaly").mkdir(parents=True)
    np.save(features / "test/anomaly/clip.npy", np.ones((1, 10, 8), np.float32))
    np.save(features / "train/anomaly/a.npy", np.full((1, 10, 8), 2, np.float32))
    with (features / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    out = tmp_path / "out"
    out.mkdir()
    table = ("--metadata", features / "metadata.csv", "--output")
    for arguments in (
        ("figures", *table, out),
        ("contact-sheets", *table, out / "contact", "--videos", clip.parents[2]),
    ):
        done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    names = ["counts", "lengths", "magnitude", "similarity", "speed"]
    assert sorted(path.stem for path in out.glob("*.svg")) == names
    assert (out / "neighbours.csv").read_text() == (
        "video,nearest,similarity\ntest/anomaly/clip.avi,train/anomaly/a.avi,-1.000000\n"
    )
    assert (out / "outliers.csv").read_text() == "video,magnitude,robust_z\n"
    assert "train/anomaly/a.avi" in (out / "neighbours.html").read_text()
    assert sorted(path.name for path in (out / "contact").iterdir()) == ["test - anomaly.png", "train - anomaly.png"]
    with Image.open(out / "contact" / "test - anomaly.png") as picture:
        assert picture.width > 1500


def test_the_script_says_what_to_do_without_a_table(tmp_path):
    command = [sys.executable, SCRIPT, "figures", "--metadata", tmp_path / "metadata.csv", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: {tmp_path}/metadata.csv: no such table, or an empty one; run the workflow first, it writes it\n"
    )
