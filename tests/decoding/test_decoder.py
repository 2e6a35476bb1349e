"""Every kind of clip against what the ffmpeg program decodes from it, without worker processes."""

import csv
import hashlib
import os

import av
import numpy as np
import pytest

from i3d.decoding import decoder as decoder_module
from i3d.decoding import decord_reader
from i3d.decoding.decord_reader import DecordError
from i3d.snippets import SnippetRule
from tests.support.clips import KINDS, ffmpeg, h264_clip, pattern, true_frames
from tests.support.paths import SHARED
from tests.support.recorder import decode

DECODERS = pytest.mark.parametrize("decoder", ["decord", "pyav"])


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


@pytest.mark.parametrize(
    ("decoder", "name", "used", "reason", "opened"),
    [
        ("auto", "plain.mp4", "pyav", "PyAV serves all files", 1),
        ("pyav", "plain.mp4", "pyav", "asked for", 1),
        ("decord", "plain.mp4", "decord", None, 1),
        ("decord", "transport.ts", "pyav", "decord is unreliable on mpegts", 1),
        ("decord", "trimmed.mp4", "pyav", "decord does not respect the edit list", 2),
    ],
)
def test_a_file_is_opened_once_but_where_its_pictures_are_judged(
    clips, monkeypatch, decoder, name, used, reason, opened
):
    opening, names = av.open, []
    monkeypatch.setattr(av, "open", lambda name, **options: names.append(name) or opening(name, **options))
    recorder, result = decode(clips[name], decoder)
    assert (recorder.begin["decoder"], recorder.begin["decoder_reason"]) == (used, reason)
    assert (result["status"], len(names)) == ("ok", opened)


@DECODERS
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
    assert result["frames_declared"] == len(recorder.frames) == 12
    assert result["damaged"] is None


def test_restarts_with_pyav_when_decord_raises(clips, monkeypatch):
    def fails_after_three(file):
        yield from [np.zeros((96, 160, 3), np.uint8)] * 3
        raise DecordError("says no")

    monkeypatch.setattr(decord_reader, "decord_frames", fails_after_three)
    recorder, result = decode(clips["plain.mp4"])
    assert (recorder.begin["decoder"], recorder.begin["decoder_reason"]) == ("pyav", "decord: says no")
    assert result["frames_decoded"] == len(recorder.frames) == 24


def test_decord_gets_only_what_fits_into_memory_as_a_whole(tmp_path):
    """20 frames of 640 x 360 are 13.8 MB; 256 MB are for all else."""
    path = h264_clip(tmp_path / "large.mp4", size="640x360", frames=20)
    assert decode(path, memory_mb=269)[0].begin["decoder"] == "decord"
    assert decode(path, memory_mb=268)[0].begin["decoder_reason"] == "decord may need 269 MB of memory"


def test_large_pictures_go_to_the_faster_decoder(tmp_path):
    recorder, _ = decode(h264_clip(tmp_path / "large.mp4", size="642x360", frames=2))
    assert recorder.begin["decoder_reason"] == "PyAV is faster on pictures of this size"


@DECODERS
@pytest.mark.parametrize(
    "name", ["-x.mp4", "a b'c\"d$e#f%20g.mp4", "a\nb.mp4", "naïve ☃.mp4", "a.b.c.MP4", "http:x.mp4", "%03d.mp4"]
)
def test_any_name_is_read(clips, tmp_path, name, decoder):
    path = tmp_path / name
    path.symlink_to(clips["plain.mp4"])
    recorder, result = decode(path, decoder)
    assert (result["frames_decoded"], recorder.begin["decoder"]) == (24, decoder)


def test_a_name_that_is_not_utf8_is_read_by_both_under_another(clips, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4")
    os.symlink(clips["plain.mp4"], path)
    recorder, result = decode(path, links=tmp_path)
    assert (result["frames_decoded"], recorder.begin["decoder"]) == (24, "decord")
    recorder, result = decode(path)
    assert (result["frames_decoded"], recorder.begin["decoder"]) == (24, "pyav")
    assert "UTF-8" in recorder.begin["decoder_reason"]


def test_metadata_that_is_not_utf8_does_no_harm(tmp_path):
    ffmpeg(*pattern(), "-metadata", b"title=\xff\xfe".decode(errors="surrogateescape"), tmp_path / "x.mkv")
    assert decode(tmp_path / "x.mkv")[1]["frames_decoded"] == 24


@DECODERS
def test_frames_that_no_snippet_takes_are_counted_but_not_put_out(clips, decoder):
    every, _ = decode(clips["plain.mp4"], decoder)
    recorder, result = decode(clips["plain.mp4"], decoder, rule=SnippetRule(clip_length=3, frequency=10))
    assert result["frames_decoded"] == len(every.frames) == 24
    assert np.array_equal(recorder.frames, [every.frames[place] for place in (0, 1, 2, 10, 11, 12, 20, 21, 22)])


def test_frames_that_no_snippet_takes_are_not_even_converted(clips, monkeypatch):
    converted = []

    class Counting(decoder_module.Picture):
        def __call__(self, frame):
            converted.append(frame.pts)
            return super().__call__(frame)

    monkeypatch.setattr(decoder_module, "Picture", Counting)
    decode(clips["plain.mp4"], "pyav", rule=SnippetRule(clip_length=3, frequency=10))
    assert len(converted) == 9
