"""Planning's view of videos: counts from headers, exact near the clip length, and safe from hostile files."""

import os
import subprocess
import sys
from unittest.mock import ANY

import pytest

from i3d.decoding.probe import Probe, probe, probe_many
from tests.support.clips import KINDS, X264, ffmpeg, h264_clip, pattern, true_frames
from tests.support.jpegs import program_pictures, timed
from tests.support.paths import ROOT, WORKERS


@pytest.mark.parametrize("name", KINDS)
def test_near_the_clip_length_every_count_is_exact(clips, name):
    kind = KINDS[name]
    found = probe(clips[name], clip_length=16)
    assert (found.frames, found.exact, found.reason) == (len(true_frames(clips[name], *kind.size)), True, None)
    assert {found.width, found.height} == set(kind.size)


@pytest.mark.parametrize(("suffix", "declared"), [(".mp4", 100), (".mkv", None), (".ts", None), (".avi", 100)])
def test_far_above_it_nothing_is_decoded(tmp_path, suffix, declared, monkeypatch):
    monkeypatch.setattr("i3d.decoding.video_file.Video.decode", lambda *_: pytest.fail("decodes"))
    path = h264_clip(tmp_path / f"x{suffix}", frames=100, rate="25")
    assert probe(path, clip_length=16) == Probe(100, False, 25.0, 160, 96, codec="h264", declared=declared)


def test_large_files_are_not_read(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("i3d.decoding.video_file.Video.packets", lambda *_: pytest.fail("reads"))
    monkeypatch.setattr("i3d.decoding.probe.SMALL_BYTES", 1000)
    path = h264_clip(tmp_path / "x.mkv", frames=100)
    assert probe(path, clip_length=16).frames == 100
    assert probe(clips["plain.mkv"], clip_length=16) == Probe(24, True, 24.0, 160, 96, codec="h264")


def test_an_index_that_promises_more_than_the_file_holds_is_not_believed(tmp_path):
    whole = tmp_path / "whole.mp4"
    ffmpeg(*pattern(200), "-c:v", "libx264", "-g", "10", "-movflags", "faststart", whole)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: data.index(b"mdat") + 4000])
    found = probe(cut, clip_length=16)
    assert found.exact
    assert 0 < found.frames == len(true_frames(cut, 160, 96)) < 64


def test_hidden_frames_do_not_count_in_an_estimate(tmp_path):
    original = h264_clip(tmp_path / "original.mp4", frames=200)
    ffmpeg("-ss", "5", "-i", original, "-c", "copy", tmp_path / "x.mp4")
    assert probe(tmp_path / "x.mp4", clip_length=16).frames == pytest.approx(80, abs=1)


@pytest.mark.parametrize(("fps", "expected"), [(6, (6, True)), (48, (48, True)), (100, (100, False))])
def test_counts_after_resampling(clips, fps, expected):
    found = probe(clips["plain.mp4"], clip_length=16, fps=fps)
    assert (found.frames, found.exact) == expected


@pytest.mark.parametrize("name", KINDS)
def test_counts_the_pictures_that_jpeg_gives(clips, name):
    pictures = program_pictures(clips[name], "-threads", "1")
    found = probe(clips[name], clip_length=16, via_jpeg=True)
    assert (found.frames, found.exact) == (len(pictures), True)


def test_pictures_far_above_the_clip_length_are_estimated_by_time(tmp_path):
    """Ten frames with a pause of four seconds: 110 pictures."""
    path = tmp_path / "x.mp4"
    ffmpeg(*timed("(N+if(gt(N,5),100))/25", *X264, "-video_track_timescale", "25", source=pattern(10, rate="25")), path)
    assert probe(path, clip_length=16) == Probe(10, True, fps=ANY, width=160, height=96, codec="h264", declared=10)
    found = probe(path, clip_length=16, via_jpeg=True)
    assert (found.exact, found.fps) == (False, 25)
    assert found.frames == pytest.approx(len(program_pictures(path)), abs=1)


def test_says_why_there_is_nothing(undecodable):
    for words, path in undecodable.items():
        found = probe(path, clip_length=16)
        assert (found.frames, found.exact) == (0, True)
        assert words in found.reason


def test_a_file_that_cannot_be_read_now_is_left_to_decode(tmp_path):
    assert probe(tmp_path / "missing.mp4", clip_length=16) == Probe()


def test_many_are_probed_and_the_hostile_ones_left_open(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", WORKERS)
    names = ["both_hang", "both_die", "both_hog", *(f"good_{number}" for number in range(20))]
    for name in names:
        (tmp_path / f"{name}.mp4").symlink_to(clips["plain.mp4"])
    os.symlink(clips["plain.mp4"], os.fsdecode(os.fsencode(tmp_path) + b"/good_\xff.mp4"))
    paths = sorted(tmp_path.iterdir())
    found = dict(probe_many(paths, clip_length=16, processes=2, timeout_seconds=10, module="hostile_probe"))
    assert sorted(found) == paths
    good = Probe(24, True, 24.0, 160, 96, codec="h264", declared=24)
    for path, result in found.items():
        assert (path.name, result) == (path.name, good if path.name.startswith("good") else Probe())


def test_no_paths_need_no_worker():
    assert list(probe_many([], clip_length=16, module="no_such_module")) == []


def test_importing_it_brings_neither_av_nor_numpy():
    code = "import sys, i3d.decoding.probe; sys.exit(bool({'av', 'numpy', 'PIL', 'decord'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
