"""Cutting streams into snippets, batching across videos, and what becomes of each video."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i3d.digests import video_digest
from i3d.frame_stream import CHANGED, FRAME_SHAPE, Frames, StreamError, StreamWriter
from i3d.network.extraction import Cutter, Extraction, changed
from i3d.network.feature_file import HEADER_BYTES
from i3d.records import journal
from i3d.records.bundles import BundleEntry
from i3d.settings import NumericSettings
from i3d.snippets import SnippetRule

SETTINGS = NumericSettings(precision="fp16")
PROVENANCE = {"fingerprint": "f", "bundle": "b"}


class MeanEngine:
    """In the network's place: every feature of a snippet is the mean of its frames."""

    dim, crops = 2048, 2

    def __init__(self, batch_size: int = 3, broken_at: float | None = None) -> None:
        self.batch_size = batch_size
        self.broken_at = broken_at
        self.batches: list[int] = []

    def buffer(self, snippets, clip_length):
        return torch.zeros((snippets, clip_length, *FRAME_SHAPE), dtype=torch.uint8)

    def launch(self, snippets):
        self.batches.append(len(snippets))
        means = snippets.float().mean((1, 2, 3, 4))
        if self.broken_at is not None:
            means[means == self.broken_at] = torch.nan
        features = means[:, None, None].expand(-1, self.crops, 2048).numpy().astype(np.float32)
        return SimpleNamespace(collect=lambda: features)


def numbered(start: int, count: int) -> np.ndarray:
    """Frames whose pixels all hold the frame's number over 16, so that a snippet's mean tells which one it is."""
    numbers = (np.arange(start, start + count) // 16).astype(np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, *FRAME_SHAPE))


def entry(name: str, path: str = "", digest: str = "") -> BundleEntry:
    """A video of the bundle; without a digest it is not compared with its file."""
    return BundleEntry(video=f"test/{name}.mp4", path=path, feature=f"test/{name}.npy", digest=digest, frames=1)


def extract(tmp_path, build, names=("a", "b"), engine=None, settings=SETTINGS, close=True):
    file = io.BytesIO()
    writer = StreamWriter(file)
    build(writer)
    if close:
        writer.close()
    file.seek(0)
    engine = engine or MeanEngine()
    records = {}
    run = Extraction(engine, [entry(name) for name in names], tmp_path, settings, PROVENANCE, tmp_path / "b.jsonl")
    try:
        for record in run.run(file):
            records[record.video] = record
    except StreamError as error:
        return records, error
    return records, engine


def whole(writer, video, frames, status="ok", **result):
    writer.begin(video, {"decoding": SETTINGS.decoding, "frames_declared": len(frames), "decoder": "decord"})
    writer.frames(video, frames)
    writer.end(video, {"status": status, "frames_decoded": len(frames), "reason": None, "damaged": None, **result})


@given(st.integers(8, 40), st.integers(1, 50), st.lists(st.integers(0, 70), max_size=6))
def test_snippets_are_the_definitions(clip_length, frequency, blocks):
    cutter = Cutter(clip_length, frequency)
    total = sum(blocks)
    rule = SnippetRule(clip_length, frequency)
    used = [frame for frame in range(total) if rule.is_used(frame)]
    frames = np.array(used, np.uint16)[:, None]
    seen = []
    snippet = np.empty((clip_length, 1), np.uint16)  # one number per frame, to keep the test quick
    file = io.BytesIO(frames.tobytes())
    for count in blocks:
        message = Frames(0, min(count, (len(frames) * 2 - file.tell()) // 2), file)
        while message.count and cutter.fill(snippet, message):
            seen.append(snippet[:, 0].tolist())
    count = (total - clip_length) // frequency + 1 if total >= clip_length else 0
    assert seen == [list(range(i * frequency, i * frequency + clip_length)) for i in range(count)]


def test_features_batches_and_records(tmp_path):
    def build(writer):
        whole(writer, 0, numbered(0, 40))
        whole(writer, 1, numbered(160, 100))

    records, engine = extract(tmp_path, build)
    assert np.load(tmp_path / "test/a.npy")[:, 0, 0].tolist() == [0, 1]
    assert np.load(tmp_path / "test/b.npy")[:, 1, 7].tolist() == [10, 11, 12, 13, 14, 15]
    assert engine.batches == [3, 3, 2], "batches run across videos"
    record = records["test/b.mp4"]
    assert (record.status, record.snippets, record.crops, record.dim) == ("ok", 6, 2, 2048)
    assert (record.frames_decoded, record.frames_declared, record.decoder) == (100, 100, "decord")
    assert record.started <= record.finished
    assert {each.video: each for each in journal.read(tmp_path / "b.jsonl")} == records
    assert journal.finished(tmp_path / "b.jsonl", tmp_path, "f") == records


def test_interleaved_videos_are_kept_apart(tmp_path):
    def build(writer):
        for video in (0, 1):
            writer.begin(video, {"decoding": SETTINGS.decoding})
        for start in range(0, 48, 8):
            writer.frames(0, numbered(start, 8))
            writer.frames(1, numbered(96 + start, 8))
        for video in (0, 1):
            writer.end(video, {"status": "ok", "frames_decoded": 48, "reason": None})

    extract(tmp_path, build)
    assert np.load(tmp_path / "test/a.npy")[:, 0, 0].tolist() == [0, 1, 2]
    assert np.load(tmp_path / "test/b.npy")[:, 0, 0].tolist() == [6, 7, 8]


@pytest.mark.parametrize("seen", [8, 40, 80])
def test_a_video_that_starts_over_leaves_no_trace_of_the_first_try(tmp_path, seen):
    def build(writer):
        writer.begin(0, {"decoding": SETTINGS.decoding, "decoder": "decord"})
        writer.frames(0, numbered(320, seen))
        whole(writer, 0, numbered(0, 40))

    records, _ = extract(tmp_path, build, names=("a",))
    assert np.load(tmp_path / "test/a.npy")[:, 0, 0].tolist() == [0, 1]
    assert list(records) == ["test/a.mp4"]
    assert sorted(path.name for path in (tmp_path / "test").iterdir()) == ["a.npy"]


@pytest.mark.parametrize(
    ("frames", "result", "status", "reason"),
    [
        (16, {}, "skipped", "too short: 16 frames, a snippet needs more than 16"),
        (0, {"status": "unreadable", "reason": "no picture"}, "skipped", "unreadable: no picture"),
        (30, {"status": "failed", "reason": "no frame for 60 s"}, "failed", "no frame for 60 s"),
    ],
)
def test_a_bad_video_is_an_outcome_with_its_reason(tmp_path, frames, result, status, reason):
    def build(writer):
        whole(writer, 0, numbered(0, frames), **result)
        whole(writer, 1, numbered(0, 32))

    records, _ = extract(tmp_path, build)
    record = records["test/a.mp4"]
    assert (record.status, record.reason, record.snippets, record.feature_file) == (status, reason, None, "")
    assert record in journal.read(tmp_path / "b.jsonl")
    assert not (tmp_path / "test/a.npy").exists()
    assert list(journal.finished(tmp_path / "b.jsonl", tmp_path, "f")) == ["test/b.mp4"]


def test_a_damaged_video_gives_what_decodes(tmp_path):
    records, _ = extract(tmp_path, lambda w: whole(w, 0, numbered(0, 40), damaged="40 of 99 frames"), names=("a",))
    assert (records["test/a.mp4"].status, records["test/a.mp4"].damaged) == ("ok", "40 of 99 frames")


def test_nan_fails_its_own_video_only(tmp_path):
    def build(writer):
        whole(writer, 0, numbered(0, 64))
        whole(writer, 1, numbered(160, 64))

    records, _ = extract(tmp_path, build, engine=MeanEngine(broken_at=2.0))
    assert records["test/a.mp4"].status == "failed"
    assert "NaN or Inf in the features of snippet 2" in records["test/a.mp4"].reason
    assert "fp16" in records["test/a.mp4"].reason
    assert records["test/b.mp4"].status == "ok"
    assert [path.name for path in (tmp_path / "test").iterdir()] == ["b.npy"]


def test_a_cut_stream_keeps_what_had_ended(tmp_path):
    def build(writer):
        whole(writer, 0, numbered(0, 100))
        writer.begin(1, {"decoding": SETTINGS.decoding})
        writer.frames(1, numbered(0, 20))

    records, error = extract(tmp_path, build, close=False)
    assert list(records) == ["test/a.mp4"]
    assert len(np.load(tmp_path / "test/a.npy")) == 6
    assert "ends early" in str(error)
    assert not (tmp_path / "test/b.npy").exists()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda w: w.begin(9, {"decoding": SETTINGS.decoding}), "video 9 of a bundle of 2"),
        (lambda w: w.frames(1, numbered(0, 1)), "has not begun"),
    ],
)
def test_a_stream_of_another_bundle_is_refused(tmp_path, build, words):
    _, error = extract(tmp_path, build)
    assert words in str(error)


def test_every_snippet_is_told_of_as_it_lands(tmp_path):
    file, told = io.BytesIO(), []
    writer = StreamWriter(file)
    whole(writer, 0, numbered(0, 40))
    whole(writer, 1, numbered(0, 70))
    writer.close()
    file.seek(0)
    run = Extraction(MeanEngine(), [entry("a"), entry("b")], tmp_path, SETTINGS, PROVENANCE, snippets_done=told.append)
    assert sum(told) == 0
    assert sum(record.snippets for record in run.run(file)) == sum(told) == 2 + 4
    assert len(told) > 1


def test_a_stream_that_lost_frames_is_refused(tmp_path):
    def build(writer):
        writer.begin(0, {"decoding": SETTINGS.decoding})
        writer.frames(0, numbered(0, 31))
        writer.end(0, {"status": "ok", "frames_decoded": 32, "reason": None})

    records, error = extract(tmp_path, build)
    assert not records
    assert "31 of 32 frames of test/a.mp4 arrived" in str(error)
    assert not (tmp_path / "test/a.npy").exists()


GAPS = NumericSettings(frequency=40)


def test_frames_between_snippets_need_not_come(tmp_path):
    """Features are those of all frames, cut by the definition."""
    frames = numbered(0, 150)
    rule = GAPS.rule

    def build(writer):
        writer.begin(0, {"decoding": GAPS.decoding})
        writer.frames(0, frames[[frame for frame in range(150) if rule.is_used(frame)]])
        writer.end(0, {"status": "ok", "frames_decoded": 150, "reason": None})

    records, _ = extract(tmp_path, build, names=("a",), settings=GAPS)
    expected = [frames[list(rule.frames_of(snippet))].mean() for snippet in range(rule.snippets(150))]
    assert np.allclose(np.load(tmp_path / "test/a.npy")[:, 0, 0], expected)
    assert len(expected) == 4
    assert (records["test/a.mp4"].frames_decoded, records["test/a.mp4"].snippets) == (150, 4)


MIDDLE = NumericSettings(model="clip_vit_b16", frame_pooling="middle")


@pytest.mark.parametrize("frames", [17, 24, 25, 39, 40, 41, 150])
def test_of_each_whole_snippet_the_middle_frame_alone_comes(tmp_path, frames):
    """That of a snippet which the video ends within comes, too, and gives no feature."""
    rule = MIDDLE.rule

    def build(writer):
        writer.begin(0, {"decoding": MIDDLE.decoding})
        writer.frames(0, numbered(0, frames)[[frame for frame in range(frames) if rule.is_used(frame)]])
        writer.end(0, {"status": "ok", "frames_decoded": frames, "reason": None})

    records, _ = extract(tmp_path, build, names=("a",), settings=MIDDLE)
    features = np.load(tmp_path / "test/a.npy")
    assert features[:, 0, 0].tolist() == list(range((frames - 16) // 16 + 1))  # the numbers of frames 8, 24, ... by 16
    record = records["test/a.mp4"]
    assert (record.frames_decoded, record.snippets, record.feature_size) == (frames, len(features), file_size(features))


def file_size(features: np.ndarray) -> int:
    return HEADER_BYTES + features.nbytes


OTHERS = [
    NumericSettings(frequency=32),
    GAPS,
    NumericSettings(clip_length=32, frequency=40),
    NumericSettings(fps=5.0),
    NumericSettings(via_jpeg=True),
    NumericSettings(via_jpeg="old_ffmpeg"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_frames_decoded_under_other_settings_are_refused(tmp_path, other):
    """No record may claim a setting that the frames were not decoded with."""
    for decoded, extracted in ((other, SETTINGS), (SETTINGS, other)):
        begin = {"decoding": decoded.decoding}
        records, error = extract(tmp_path, lambda w, begin=begin: w.begin(0, begin), settings=extracted)
        assert records == {} and "the frames of test/a.mp4 were decoded with" in str(error)
    records, error = extract(tmp_path, lambda w: w.begin(0, {}))
    assert records == {} and "unknown settings" in str(error)


def test_a_video_replaced_since_the_plan_fails_and_gives_no_feature(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"as it is now")
    of_old = entry("a", str(path), "as it was")
    file = io.BytesIO()
    writer = StreamWriter(file)
    whole(writer, 0, numbered(0, 40))
    writer.close()
    file.seek(0)
    (record,) = Extraction(MeanEngine(), [of_old], tmp_path, SETTINGS, PROVENANCE).run(file)
    assert (record.status, record.reason[:21]) == ("failed", "the video was changed")
    assert not (tmp_path / "test/a.npy").exists()


def test_the_record_vouches_for_the_file_that_was_decoded(tmp_path):
    """Whatever its path leads to while the features are computed."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"planned")
    planned = video_digest(path)
    path.write_bytes(b"another")
    other = video_digest(path)
    for digest_decoded, now, status in [
        (planned, b"another", "ok"),
        (planned, None, "ok"),
        (other, b"planned", "failed"),
        (other, b"another", "failed"),
    ]:
        path.unlink(missing_ok=True)
        if now is not None:
            path.write_bytes(now)
        file = io.BytesIO()
        writer = StreamWriter(file)
        whole(writer, 0, numbered(0, 40), digest=digest_decoded)
        writer.close()
        file.seek(0)
        run = Extraction(MeanEngine(), [entry("a", str(path), planned)], tmp_path, SETTINGS, PROVENANCE)
        (record,) = run.run(file)
        assert (record.status, record.digest) == (status, planned)
        assert record.reason == (None if status == "ok" else CHANGED)
        (tmp_path / "test/a.npy").unlink(missing_ok=status == "failed")


def test_a_video_that_changed_or_vanished_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"planned")
    planned = entry("a", str(path), video_digest(path))
    assert changed(planned) is None
    path.write_bytes(b"another")
    assert changed(planned) == "the video was changed during the run; the next run takes it as it is then"
    path.unlink()
    assert changed(planned) == "the video can no longer be read (No such file or directory)"


def test_shares_of_time_add_up_to_the_whole(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr("i3d.network.extraction.time.monotonic", lambda: next(clock))

    def build(writer):
        whole(writer, 0, numbered(0, 80))
        whole(writer, 1, numbered(160, 64))

    records, engine = extract(tmp_path, build)
    assert engine.batches == [3, 3, 3]
    assert sum(record.seconds for record in records.values()) == pytest.approx(3 * 5)
    assert records["test/a.mp4"].seconds == pytest.approx(5 + 5 * 2 / 3, abs=0.001)
