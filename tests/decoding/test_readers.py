"""Every kind of clip against what the ffmpeg program decodes from it, without worker processes."""

import csv
import hashlib
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.decoding import readers
from i3d.decoding.decoder import VideoDecoder
from tests.support.clips import KINDS, ffmpeg, h264_clip, pattern, true_frames
from tests.support.paths import SHARED

DECODERS = pytest.mark.parametrize("decoder", ["decord", "pyav"])


class Recorder:
    """Stands in for a worker's channel and outlet: keeps what is sent and the frames at their full size."""

    threads = 1
    blocked_seconds = 0.0

    def __init__(self, memory_mb=1024):
        self.memory_mb = memory_mb
        self.begin = None
        self.frames = []

    def progress(self):
        pass

    def flush(self):
        pass

    def send(self, message):
        if "begin" in message:
            self.begin, self.frames = message["begin"], []

    def put(self, frame):
        self.frames.append(frame)


def decode(path, decoder="decord", fps=None, memory_mb=1024):
    """The recorder and the END message's result of decoding one video."""
    recorder = Recorder(memory_mb)
    job = {"path": str(path), "reason": None if decoder == "decord" else "asked for", "fps": fps}
    return recorder, VideoDecoder(recorder, recorder, job).run()


@DECODERS
@pytest.mark.parametrize("name", KINDS)
def test_gives_the_frames_that_ffmpeg_gives(clips, name, decoder):
    kind = KINDS[name]
    recorder, result = decode(clips[name], decoder)
    expected = true_frames(clips[name], *kind.size)
    assert (result["status"], result["reason"]) == ("ok", None)
    assert result["frames_decoded"] == len(recorder.frames) == len(expected) > 0
    assert np.array_equal(np.stack(recorder.frames), expected)
    assert (recorder.begin["width"], recorder.begin["height"]) == kind.size
    if decoder == "pyav":
        assert (recorder.begin["decoder"], recorder.begin["decoder_reason"]) == ("pyav", "asked for")
    elif kind.not_decord:
        assert recorder.begin["decoder"] == "pyav"
        assert kind.not_decord in recorder.begin["decoder_reason"]
    else:
        assert (recorder.begin["decoder"], recorder.begin["decoder_reason"]) == ("decord", None)
    assert bool(result["damaged"]) == name.startswith("cut")


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_shared_videos_agree_with_their_table(decoder):
    table = SHARED / "videos" / "decode_truth.tsv"
    rows = list(csv.DictReader(table.open(), delimiter="\t")) if table.exists() else []
    for row in rows:
        recorder, result = decode(SHARED / "videos" / "decode" / row["file"], decoder)
        md5 = hashlib.md5()
        for frame in recorder.frames:
            md5.update(np.ascontiguousarray(frame))
        assert (row["file"], result["frames_decoded"]) == (row["file"], int(row["frames"]))
        if row["decodable"] == "broken":
            assert result["status"] == "unreadable"
        else:
            assert (row["file"], md5.hexdigest()) == (row["file"], row["rgb24_md5"])


def test_says_why_nothing_can_be_decoded(undecodable):
    for words, path in undecodable.items():
        recorder, result = decode(path)
        assert (result["status"], result["frames_decoded"], recorder.frames) == ("unreadable", 0, [])
        assert words in result["reason"]
        assert str(path.parent) not in result["reason"]


def test_a_pipe_is_refused_without_opening_it(tmp_path):
    os.mkfifo(tmp_path / "x.mp4")
    _, result = decode(tmp_path / "x.mp4")
    assert (result["status"], result["reason"]) == ("unreadable", "not a regular file")


def test_a_missing_file_is_a_failure_to_try_again(tmp_path):
    _, result = decode(tmp_path / "x.mp4")
    assert (result["status"], result["reason"]) == ("failed", "No such file or directory")


def test_damage_is_told_with_counts(clips):
    recorder, result = decode(clips["cut_index_first.mp4"])
    decoded = len(recorder.frames)
    assert recorder.begin["frames_declared"] == 24 > decoded
    assert f"{decoded} of 24 declared frames decoded" in result["damaged"]


def test_what_the_decoder_still_holds_comes_out_when_reading_breaks_off(clips):
    """B-frames: the decoder lags behind the packets."""
    video, faults = readers.Video(clips["plain.mp4"]), readers.Faults()
    packets = list(video.packets())[:20]

    class BrokenOff:
        def demux(self, _):
            yield from packets
            raise av.InvalidDataError(1, "", "")

    video.container = BrokenOff()
    assert len(list(video.decode(faults))) == 20
    assert faults.words(24) == "the file breaks off; 20 of 24 declared frames decoded"


def test_boxes_of_absurd_lengths_are_read_over(clips, tmp_path):
    data = bytearray(clips["plain.mp4"].read_bytes())
    assert readers.mp4_boxes(clips["plain.mp4"]) == ([b"ftyp", b"free", b"mdat", b"moov"], False)
    (tmp_path / "long.mp4").write_bytes(data[:32] + (1 << 31).to_bytes(4) + data[36:])
    assert readers.mp4_boxes(tmp_path / "long.mp4")[1]
    (tmp_path / "huge.mp4").write_bytes(data[:32] + b"\0\0\0\1free" + b"\xff" * 8 + data[48:])
    assert readers.mp4_boxes(tmp_path / "huge.mp4") == ([b"ftyp", b"free"], True)
    assert decode(tmp_path / "huge.mp4")[1]["status"] == "unreadable"


@DECODERS
def test_flipped_bits_are_damage_for_both_decoders(tmp_path, decoder):
    path = h264_clip(tmp_path / "x.mkv", frames=60)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) - 1000, 997):
        data[place] ^= 0x55
    path.write_bytes(data)
    _, result = decode(path, decoder)
    assert (result["status"], bool(result["damaged"])) == ("ok", True)


def test_hidden_frames_are_neither_declared_nor_damage(clips):
    recorder, result = decode(clips["trimmed.mp4"])
    assert recorder.begin["frames_declared"] == len(recorder.frames) == 12
    assert result["damaged"] is None


def test_restarts_with_pyav_when_decord_raises(clips, monkeypatch):
    def fails_after_three(path):
        yield from [np.zeros((96, 160, 3), np.uint8)] * 3
        raise readers.DecordError("says no")

    monkeypatch.setattr(readers, "decord_frames", fails_after_three)
    recorder, result = decode(clips["plain.mp4"])
    assert (recorder.begin["decoder"], recorder.begin["decoder_reason"]) == ("pyav", "decord: says no")
    assert result["frames_decoded"] == len(recorder.frames) == 24


def test_decord_gets_only_what_fits_into_memory_as_a_whole(tmp_path):
    """12 frames of 704 x 576 are 13.9 MB; 256 MB are for all else."""
    path = h264_clip(tmp_path / "large.mp4", size="704x576", frames=12)
    assert decode(path, memory_mb=269)[0].begin["decoder"] == "decord"
    assert decode(path, memory_mb=268)[0].begin["decoder_reason"] == "decord may need 269 MB of memory"


@DECODERS
@pytest.mark.parametrize(
    "name", ["-x.mp4", "a b'c\"d$e#f%20g.mp4", "a\nb.mp4", "naïve ☃.mp4", "a.b.c.MP4", "http:x.mp4", "%03d.mp4"]
)
def test_any_name_is_read(clips, tmp_path, name, decoder):
    path = tmp_path / name
    path.symlink_to(clips["plain.mp4"])
    recorder, result = decode(path, decoder)
    assert (result["frames_decoded"], recorder.begin["decoder"]) == (24, decoder)


def test_a_name_that_is_not_utf8_is_read_by_pyav(clips, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4")
    os.symlink(clips["plain.mp4"], path)
    recorder, result = decode(path)
    assert result["frames_decoded"] == 24
    assert "UTF-8" in recorder.begin["decoder_reason"]


def test_metadata_that_is_not_utf8_does_no_harm(tmp_path):
    ffmpeg(*pattern(), "-metadata", b"title=\xff\xfe".decode(errors="surrogateescape"), tmp_path / "x.mkv")
    assert decode(tmp_path / "x.mkv")[1]["frames_decoded"] == 24


def test_a_skewed_picture_is_turned_like_ffmpegs(tmp_path):
    """Not bit for bit: ffmpeg turns before it converts to RGB."""
    original = h264_clip(tmp_path / "original.mp4")
    ffmpeg("-i", original, "-c", "copy", "-metadata:s:v", "rotate=30", tmp_path / "x.mp4")
    recorder, _ = decode(tmp_path / "x.mp4")
    expected = true_frames(tmp_path / "x.mp4", 160, 96).astype(int)
    assert np.abs(np.stack(recorder.frames) - expected).mean() < 8
    assert "skew" in recorder.begin["decoder_reason"]


def test_turning_covers_all_eight_orientations():
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    one = 1 << 16
    turned = {
        (one, 0, 0, one): rgb,
        (-one, 0, 0, one): rgb[:, ::-1],
        (one, 0, 0, -one): rgb[::-1],
        (-one, 0, 0, -one): rgb[::-1, ::-1],
        (0, one, -one, 0): np.rot90(rgb, -1),
        (0, -one, one, 0): np.rot90(rgb),
        (0, one, one, 0): rgb.swapaxes(0, 1),
        (0, -one, -one, 0): rgb.swapaxes(0, 1)[::-1, ::-1],
    }
    for matrix, expected in turned.items():
        assert np.array_equal(readers.turn(rgb, matrix), expected), matrix


RESAMPLED = ["plain.mp4", "dropped.mp4", "late_picture.mp4", "trimmed.mp4", "b_frames.avi", "transport.ts", "raw.h264"]


@pytest.mark.parametrize("fps", [10, 29.97, 60])
@pytest.mark.parametrize("name", RESAMPLED)
def test_resampling_picks_the_frames_of_ffmpegs_filter(clips, name, fps):
    recorder, result = decode(clips[name], fps=fps)
    expected = true_frames(clips[name], *KINDS[name].size, fps=str(fps))
    assert result["frames_decoded"] == len(expected)
    assert np.array_equal(np.stack(recorder.frames), expected)
    assert "timestamp" in recorder.begin["decoder_reason"]


def test_resampling_the_shared_variable_rate_videos():
    for name, size in {"decode/vfr_jitter.mp4": (320, 240), "decode/vfr_dropped.mp4": (320, 240)}.items():
        if (SHARED / "videos" / name).exists():
            for fps in (10, 25, 30):
                recorder, _ = decode(SHARED / "videos" / name, fps=fps)
                assert np.array_equal(
                    np.stack(recorder.frames), true_frames(SHARED / "videos" / name, *size, fps=str(fps))
                )


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(1, 60))
def test_resampling_shows_at_each_instant_the_last_frame_that_is_due(gaps, fps):
    """The filter's rule, said the other way round: by instant instead of by frame."""
    starts = [Fraction(sum(gaps[: n + 1]), 100) for n in range(len(gaps))]
    ends = [*starts[1:], starts[-1] + Fraction(1, 25)]
    due = [int(start * fps + Fraction(1, 2)) for start in starts]
    instants = range(due[0], int(ends[-1] * fps + Fraction(1, 2)))
    expected = [max(frame for frame, instant in enumerate(due) if instant <= shown) for shown in instants]
    assert list(readers.resample(zip(starts, ends, range(len(starts)), strict=True), Fraction(fps))) == expected


def test_resampling_refuses_to_fill_a_hole_of_hours():
    frames = [(Fraction(0), Fraction(1), "a"), (Fraction(7200), Fraction(7201), "b")]
    with pytest.raises(readers.UnreadableError, match="jump by 7200 s"):
        list(readers.resample(frames, Fraction(25)))
