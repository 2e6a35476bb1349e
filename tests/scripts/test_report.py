"""The script that draws the report."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.support.clips import h264_clip
from tests.support.paths import SCRIPTS

SCRIPT = SCRIPTS / "report.py"
COLUMNS = ("video", "feature_file", "status", "reason", "snippets", "crops", "split", "category", "label")
COLUMNS += ("frames_decoded", "fps", "seconds", "damaged", "weights")


def draw(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def tree(tmp_path):
    """The features of a finished, a failed and an orphaned video per split."""
    features = tmp_path / "features"
    rows = []
    for split, value in (("test", 1), ("train", 2)):
        folder = features / split / "anomaly"
        folder.mkdir(parents=True)
        np.save(folder / "a.npy", np.full((1, 10, 8), value, np.float32))
        place, end = f"{split}/anomaly", (split, "anomaly", 1)
        rows += [
            (f"{place}/a.mp4", f"{place}/a.npy", "ok", "", 1, 10, *end, 30, 25, 0.5, "", "w.pth"),
            (f"{place}/b.mp4", "", "failed", "killed", "", "", *end, "", "", "", "", ""),
            (
                f"{place}/o.mp4",
                f"{place}/o.npy",
                "orphaned",
                "its video is gone",
                9,
                10,
                *end,
                150,
                25,
                0.5,
                "",
                "w.pth",
            ),
        ]
    with (features / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    run = {"run_date": "2026-11-20 10:00:00", "total_videos": 6, "processed_videos": 2, "videos_skipped": 0}
    (features / "feature_config.txt").write_text(json.dumps([run | {"failed_videos": 2}]))
    return features


def test_it_draws_every_figure_and_page(tree, tmp_path):
    out = tmp_path / "out"
    draw("figures", "--metadata", tree / "metadata.csv", "--output", out)
    assert {path.stem for path in out.glob("*.svg")} == {"counts", "lengths", "magnitude", "similarity", "speed"}
    assert (out / "neighbours.csv").read_text() == (
        "video,nearest,similarity\ntest/anomaly/a.mp4,train/anomaly/a.mp4,0.000000\n"
    )
    assert (out / "outliers.csv").read_text() == "video,magnitude,robust_z\n"
    assert "train/anomaly/a.mp4" in (out / "neighbours.html").read_text()
    index, home = (out / "index.html").read_text(), (out / "home.html").read_text()
    assert "2 of 4 videos have features" in index and "2 of 4 videos have features" in home
    assert "2026-11-20 10:00:00" in index and "w.pth" in home and "2 orphaned features" in home
    assert "<html" in index and "<html" not in home
    problems = (out / "problems.html").read_text()
    assert problems.count("<td>killed</td>") == 2 and problems.count("<td>its video is gone</td>") == 2


def test_every_link_of_the_landing_page_leads_to_something(tree, tmp_path):
    out = tmp_path / "out"
    h264_clip(tmp_path / "a.mp4")
    draw("figures", "--metadata", tree / "metadata.csv", "--output", out)
    draw(
        "contact-sheets", "--metadata", tree / "metadata.csv", "--output", out / "contact_sheets", "--videos", tmp_path
    )
    draw("events", "--metadata", tree / "metadata.csv", "--output", out)
    links = [part.partition('"')[0] for part in (out / "index.html").read_text().split('href="')[1:]]
    assert len(links) > 5 and [link for link in links if not (out / link).exists()] == []


def test_a_damaged_summary_is_no_obstacle(tree, tmp_path):
    (tree / "feature_config.txt").write_text("{")
    draw("figures", "--metadata", tree / "metadata.csv", "--output", tmp_path / "out")
    assert "2 of 4 videos have features" in (tmp_path / "out/index.html").read_text()


def test_contact_sheets_lie_where_the_subset_does(tree, tmp_path):
    clip = h264_clip(tmp_path / "a.mp4", frames=30)
    for split in ("test", "train"):
        (tmp_path / "videos" / split / "anomaly").mkdir(parents=True)
        (tmp_path / "videos" / split / "anomaly/a.mp4").hardlink_to(clip)
    out = tmp_path / "sheets"
    draw("contact-sheets", "--metadata", tree / "metadata.csv", "--output", out, "--videos", tmp_path / "videos")
    sheets = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert sheets == ["test/anomaly.png", "train/anomaly.png"]
    with Image.open(out / "test/anomaly.png") as picture:
        assert picture.width > 1500 and len(picture.getcolors(1 << 24) or []) > 500  # frames, not blank axes


def test_it_says_what_to_do_without_a_table(tmp_path):
    command = [sys.executable, SCRIPT, "figures", "--metadata", tmp_path / "metadata.csv", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/metadata.csv: no such table") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_without_any_features_the_report_says_so(status, tmp_path):
    table = tmp_path / "metadata.csv"
    with table.open("w", newline="") as file:
        row = {"video": "test/a.mp4", "status": status, "reason": "killed", "split": "test"}
        csv.writer(file).writerows([COLUMNS, [row.get(name, "") for name in COLUMNS]])
    out = tmp_path / "out"
    draw("figures", "--metadata", table, "--output", out)
    draw("events", "--metadata", table, "--output", out)
    draw("contact-sheets", "--metadata", table, "--output", out / "contact_sheets", "--videos", tmp_path)
    assert "<b>No video has features.</b>" in (out / "index.html").read_text()
    assert "killed" in (out / "problems.html").read_text()
