"""Progress files: written now and then, read by whoever wants to, and never in the way."""

import numpy as np
import pytest

from i3d.frame_stream import FRAME_SHAPE, End, read_stream
from i3d.progress import bundle
from i3d.progress.bundle import EXTRACT, BundleProgress, ProgressFile, read_progress
from i3d.progress.decoding import CountingWriter


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(bundle.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(bundle.time, "time", lambda: now[0])
    return now


def test_rate_and_time_left():
    progress = BundleProgress("b", EXTRACT, 2, 1000, frames_done=250, started=100.0, updated=110.0)
    assert (progress.rate, progress.seconds_left) == (25, 30)
    assert BundleProgress("b", EXTRACT, 2, 1000).rate == 0
    assert BundleProgress("b", EXTRACT, 2, 1000, started=100.0, updated=100.0).seconds_left is None
    assert BundleProgress("b", EXTRACT, 2, None, frames_done=250, started=100.0, updated=110.0).seconds_left is None


@pytest.mark.parametrize(("job", "seconds"), [("", 1), ("4711", 10)])
def test_a_file_is_written_once_a_second_and_more_seldom_on_a_cluster(clock, tmp_path, monkeypatch, job, seconds):
    monkeypatch.setenv("SLURM_JOB_ID", job)
    path = tmp_path / "extract/b.json"
    progress, file = BundleProgress("b", EXTRACT, 2, 1000), ProgressFile(path)
    file.write(progress)
    assert (read_progress(path).job, read_progress(path).updated) == (job, 1000)
    clock[0] += seconds - 0.1
    progress.snippets = 7
    file.write(progress)
    assert read_progress(path).snippets == 0
    file.write(progress, now=True)
    assert read_progress(path).snippets == 7
    clock[0] += seconds
    progress.snippets = 8
    file.write(progress)
    assert read_progress(path).snippets == 8
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


def test_what_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "extract").write_text("a file where the folder should be")
    file = ProgressFile(tmp_path / "extract/b.json")
    file.write(BundleProgress("b", EXTRACT, 1, 10), now=True)
    assert read_progress(tmp_path / "extract/b.json") is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"bundle": "b"}', b"[1]", b"\xff"])
def test_a_damaged_file_is_no_progress(tmp_path, content):
    path = tmp_path / "b.json"
    path.write_bytes(content)
    assert read_progress(path) is None


def test_decoding_is_counted_and_the_stream_stays_the_same(clock, tmp_path):
    stream, path = tmp_path / "b.frames", tmp_path / "decode/b.json"
    frames = np.zeros((5, *FRAME_SHAPE), np.uint8)
    with stream.open("wb") as file:
        writer = CountingWriter(file, path, videos=2)
        assert (read_progress(path).videos, read_progress(path).started) == (2, 1000)
        writer.begin(0, {})
        writer.frames(0, frames)
        writer.begin(0, {})  # decord failed in the middle, PyAV begins again
        clock[0] += 2
        writer.frames(0, frames[:3])
        assert read_progress(path).frames_done == 3
        clock[0] += 2
        writer.end(0, {"status": "ok"})
        assert (read_progress(path).videos_done, read_progress(path).ended) == (1, False)
        writer.close()
    progress = read_progress(path)
    assert (progress.bundle, progress.stage, progress.frames_done, progress.ended) == ("b", "decode", 3, True)
    with stream.open("rb") as file:
        assert [message.result for message in read_stream(file) if isinstance(message, End)] == [{"status": "ok"}]
