"""The metadata table: written from records, read back by the exports and the report."""

import csv

import pytest

from i3d.errors import UserError
from i3d.records.record import COLUMNS
from i3d.results.metadata import BY_NAME, TABLE_COLUMNS, read_metadata, write_metadata
from i3d.results.names import label_of
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
    assert set(PROMISED.split()) <= set(TABLE_COLUMNS)
    assert set(TABLE_COLUMNS) == {*COLUMNS, *BY_NAME}
    assert not {"digest", "fingerprint", "feature_sha256"} & set(TABLE_COLUMNS)


def test_the_table_reads_back(tmp_path):
    ok = record("train_val/anomaly/a, b.mp4", feature_file="train_val/anomaly/a, b.npy", snippets=3, fps=29.97)
    bad = record("test/normal/é.mp4", "failed", reason='said "no"')
    write_metadata(tmp_path / "metadata.csv", [ok, bad])
    with (tmp_path / "metadata.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == list(TABLE_COLUMNS)
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


@pytest.mark.parametrize(
    ("video", "feature"),
    [("../x.mp4", "../x.npy"), ("/x.mp4", "/x.npy"), ("a/x.mp4", "a/../../x.npy"), ("a/x.mp4", "a/y.npy")],
)
def test_rows_whose_paths_lead_elsewhere_are_ignored_and_said(tmp_path, capsys, video, feature):
    path = tmp_path / "metadata.csv"
    write_metadata(path, [record("a/good.mp4", feature_file="a/good.npy"), record(video, feature_file=feature)])
    assert [row.video for row in read_metadata(path)] == ["a/good.mp4"]
    assert f"a damaged row is ignored, its paths do not fit: {video!a}" in capsys.readouterr().err
