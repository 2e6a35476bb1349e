"""The metadata table: written from records, read back by the exports and the report."""

import csv
import os
import shutil
import subprocess
import sys

import pytest

from i3d.errors import UserError
from i3d.records.record import COLUMNS, INTERNAL, Row, VideoRecord
from i3d.results.metadata import read_metadata, write_metadata
from i3d.results.names import label_of
from tests.support.paths import ROOT
from tests.support.records import record

PROMISED = """
video feature_file status reason snippets crops dim split category label frames_declared frames_decoded fps width height
decoder seconds weights_sha256 model normalization precision versions
"""


@pytest.mark.parametrize(
    ("category", "label"),
    [
        ("anomaly", "1"),
        ("anomaly_cropped", "1"),
        ("Anomaly", "1"),
        ("non_anomaly", "0"),
        ("non_anomaly_augmented", "0"),
        ("normal", "0"),
        ("fights", ""),
    ],
)
def test_labels(category, label):
    assert label_of(category) == label


def test_columns_are_the_fields_of_the_record_and_what_the_path_tells():
    assert set(PROMISED.split()) <= set(COLUMNS)
    assert set(COLUMNS) == {*Row.__struct_fields__} - {*INTERNAL} and {*INTERNAL} < {*VideoRecord.__struct_fields__}


def test_the_table_reads_back(tmp_path):
    ok = record("train_val/anomaly/a, b.mp4", feature_file="train_val/anomaly/a, b.npy", snippets=3, fps=29.97)
    bad = record("test/normal/é.mp4", "failed", reason='said "no"')
    write_metadata(tmp_path / "metadata.csv", [ok, bad])
    with (tmp_path / "metadata.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == list(COLUMNS)
    assert (cells[0]["label"], cells[1]["label"], cells[1]["snippets"]) == ("1", "0", "")
    first, second = read_metadata(tmp_path / "metadata.csv")
    assert (first.video, first.snippets, first.fps, first.split, first.label) == (ok.video, 3, 29.97, "train_val", 1)
    assert (second.video, second.status, second.reason) == (bad.video, "failed", 'said "no"')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"video,status\nx.mp4,ok\n",
        "video\nü".encode("latin-1"),
        b"video," + b"x" * 200_000 + b"\nx\n",
        b"video,feature_file,status,split,category,label,snippets,crops,fps\nx.mp4,x.npy,ok,t,c,one,2,10,25\n",
        b"video,feature_file,status,split,category,label,snippets,crops,fps\nx.mp4,x.npy,ok,t,c,1,inf,10,25\n",
    ],
)
def test_a_damaged_table_is_named(tmp_path, content):
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"metadata\.csv"):
        read_metadata(tmp_path / "metadata.csv")


def test_a_video_that_has_two_rows_is_named(tmp_path):
    """Otherwise a list would hold its feature twice."""
    path = tmp_path / "metadata.csv"
    good = record("a/x.mp4", feature_file="a/x.npy")
    write_metadata(path, [good, record("a/y.mp4", feature_file="a/y.npy"), good])
    with pytest.raises(UserError, match=r"metadata\.csv, row 4: a second row of a/x\.mp4; let the workflow write it"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("video", "feature"),
    [("../x.mp4", "../x.npy"), ("/x.mp4", "/x.npy"), ("a/x.mp4", "a/../../x.npy"), ("a/x.mp4", "a/y.npy")],
)
def test_rows_whose_paths_lead_elsewhere_are_ignored_and_said(tmp_path, capsys, video, feature):
    path = tmp_path / "metadata.csv"
    write_metadata(path, [record("a/good.mp4", feature_file="a/good.npy"), record(video, feature_file=feature)])
    assert [row.video for row in read_metadata(path)] == ["a/good.mp4"]
    assert f"a damaged row is ignored, its paths do not fit: {video!a}" in capsys.readouterr().err


def test_every_record_reads_back_exactly(tmp_path):
    """Also texts that a spreadsheet would take for formulas, or that begin with the quote that prevents it."""
    values = dict.fromkeys(("snippets", "crops", "dim", "frames_decoded"), 1) | {"fps": 29.97, "seconds": 1e-3}
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "'=x", "''+y", "it's", "'", 'plain, and "quoted"', "a\nb"]
    records = [
        record(
            f"{place}/{text.replace(chr(10), '')}x.mp4", reason=text, decoder=text, damaged="=HYPERLINK(1)", **values
        )
        for place, text in enumerate(texts)
    ]
    records.append(record("-folder/=x.mp4", feature_file="-folder/=x.npy"))
    write_metadata(tmp_path / "metadata.csv", records)
    with (tmp_path / "metadata.csv").open(newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell.startswith(tuple("=+-@\t\r"))]
    for written, row in zip(records, read_metadata(tmp_path / "metadata.csv"), strict=True):
        for name in {*VideoRecord.__struct_fields__} - {*INTERNAL}:
            assert getattr(row, name) == getattr(written, name), name


def test_a_table_that_a_program_has_rewritten_is_read(tmp_path):
    """pandas and spreadsheets write whole numbers as floats, and a mark at the start."""
    header = "video,feature_file,status,split,category,label,snippets,crops,fps,extra\n"
    line = "t/1.0/x.mp4,t/1.0/x.npy,ok,t,1.0,1.0,2.0,10.0,25,mine\n"
    (tmp_path / "metadata.csv").write_text("\ufeff" + header + line)
    (row,) = read_metadata(tmp_path / "metadata.csv")
    assert (row.label, row.snippets, row.crops, row.fps, row.category) == (1, 2, 10, 25.0, "1.0")


def test_a_new_column_is_one_line(tmp_path):
    """In a package whose record has one field more, journal and table have it too, and old journals still read."""
    shutil.copytree(ROOT / "i3d", tmp_path / "i3d", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "i3d/records/record.py"
    line = "    seconds: float | None = None"
    assert module.read_text().count(line) == 1
    module.write_text(module.read_text().replace(line, "    codec: str | None = None\n" + line))
    program = """
from pathlib import Path
from i3d.records import journal
from i3d.records.record import VideoRecord
from i3d.results.metadata import read_metadata, write_metadata
Path("old.jsonl").write_text('{"video": "a.mp4", "status": "failed"}\\n')
journal.append(Path("new.jsonl"), [VideoRecord(video="b.mp4", status="failed", codec="h264")])
write_metadata(Path("metadata.csv"), [*journal.read(Path("old.jsonl")), *journal.read(Path("new.jsonl"))])
assert [row.codec for row in read_metadata(Path("metadata.csv"))] == [None, "h264"]
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
