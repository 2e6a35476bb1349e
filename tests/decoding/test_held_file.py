"""A file that is held open stays the one that was opened, whatever becomes of its path meanwhile."""

import errno
import io
import os
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from i3d.decoding import decoder as decoder_module
from i3d.decoding import decord_reader, held_file, video_file
from i3d.decoding.decoder import decode_videos
from i3d.decoding.held_file import HeldFile, UnreadableError
from i3d.decoding.probe import Probe, probe
from i3d.digests import video_digest
from i3d.frame_stream import CHANGED, End, Frames, StreamWriter, read_stream
from i3d.settings import JobSettings, NumericSettings
from tests.support.clips import ffmpeg, true_frames
from tests.support.recorder import decode


@pytest.fixture
def other(tmp_path):
    """A clip like the plain one, of other pictures."""
    path = tmp_path / "other.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x96:r=24,trim=end_frame=24", "-c:v", "libx264", "-g", "6", path)
    return path


def by_renaming(path, other):
    kept = path.with_name("kept.mp4")
    path.rename(kept)
    shutil.copy(other, path)
    return lambda: kept.replace(path)


def by_a_link(path, other):
    """The path is a link from the beginning; it is made to lead elsewhere."""
    first = path.readlink()
    path.unlink()
    path.symlink_to(other)

    def back():
        path.unlink()
        path.symlink_to(first)

    return back


SWAPS = pytest.mark.parametrize("swap", [by_renaming, by_a_link])


@pytest.fixture
def video(clips, tmp_path, swap):
    """The plain clip, under a path that `swap` can make lead to another file."""
    kept = tmp_path / "first" / "x.mp4"
    kept.parent.mkdir()
    shutil.copy(clips["plain.mp4"], kept)
    path = tmp_path / "x.mp4"
    if swap is by_a_link:
        path.symlink_to(kept)
    else:
        kept.rename(path)
    return path


@SWAPS
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("moment", ["opening", "judging", "reading"])
def test_a_swap_while_a_video_is_decoded_makes_no_difference(
    clips, video, other, swap, decoder, moment, monkeypatch, tmp_path
):
    """The path leads elsewhere from some moment on, and is put back before anybody can look."""
    put_back = []

    def swapping(function):
        def swapped(*arguments, **options):
            if not put_back:
                put_back.append(swap(video, other))
            return function(*arguments, **options)

        return swapped

    place, name = {
        "opening": (av, "open"),
        "judging": (decord_reader, "distrust_pictures") if decoder == "decord" else (video_file.Video, "decode"),
        "reading": (decord_reader, "decord_frames") if decoder == "decord" else (decoder_module, "Picture"),
    }[moment]
    monkeypatch.setattr(place, name, swapping(getattr(place, name)))
    links = tmp_path / "links"
    links.mkdir()
    recorder, result = decode(video, decoder, links=links)
    (back,) = put_back
    assert np.array_equal(recorder.frames, true_frames(clips["plain.mp4"], 160, 96))
    assert not np.array_equal(recorder.frames, true_frames(other, 160, 96))
    assert (result["status"], result["reason"]) == ("ok", None)
    assert (recorder.begin["decoder"], result["digest"]) == (decoder, video_digest(clips["plain.mp4"]))
    assert list(links.iterdir()) == []
    back()
    assert video_digest(video) == result["digest"]


@SWAPS
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_a_swap_before_it_is_opened_shows_in_the_digest(video, other, swap, decoder, monkeypatch, tmp_path):
    planned, back = video_digest(video), swap(video, other)
    recorder, result = decode(video, decoder, links=tmp_path)
    back()
    assert np.array_equal(recorder.frames, true_frames(other, 160, 96))
    assert result["digest"] == video_digest(other) != planned == video_digest(video)


def test_workers_decode_what_they_digest_while_the_path_leads_to_and_fro(clips, other, tmp_path):
    """A link is turned over and over while worker processes are at work: each END's digest is that of its frames."""
    files = {video_digest(file): frames_of(decoded(file)) for file in (clips["plain.mp4"], other)}
    path, spare = tmp_path / "x.mp4", tmp_path / "spare"
    path.symlink_to(other)
    done = threading.Event()

    def turn():
        while not done.is_set():
            for file in (clips["plain.mp4"], other):
                spare.symlink_to(file)
                spare.replace(path)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        stream = decoded(*[path] * 12, decoder="decord", threads=2)
    finally:
        done.set()
        thread.join()
    digests = {message.video: message.result["digest"] for message in read_stream(stream) if isinstance(message, End)}
    stream.seek(0)
    frames = frames_of(stream)
    assert len(digests) == 12
    assert all(np.array_equal(frames[place], files[digests[place]][0]) for place in digests)


def decoded(*paths, decoder="pyav", threads=1):
    """The frame stream of these videos, from worker processes."""
    stream = io.BytesIO()
    writer = StreamWriter(stream)
    videos = [(place, path.name, path) for place, path in enumerate(paths)]
    decode_videos(videos, writer, NumericSettings(), JobSettings(decoder=decoder), threads=threads)
    writer.close()
    stream.seek(0)
    return stream


def frames_of(stream):
    """Each video's frames, by its place."""
    frames: dict[int, list[np.ndarray]] = {}
    for message in read_stream(stream):
        if isinstance(message, Frames):
            frames[message.video] = [*frames.get(message.video, []), *message.frames.copy()]
    return frames


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_a_file_that_is_written_into_meanwhile_is_no_use_even_if_it_is_restored(clips, decoder, monkeypatch, tmp_path):
    path = tmp_path / "x.mp4"
    shutil.copy(clips["plain.mp4"], path)
    written = []

    def read(file):
        if not written:
            data = path.read_bytes()
            for content in (bytes(len(data)), data):
                with path.open("r+b") as inside:
                    inside.write(content)
            written.append(path)
        return video_file.Video(file)

    monkeypatch.setattr(decoder_module, "Video", read)
    os.utime(path, (1, 1))
    _, result = decode(path, decoder)
    assert (result["status"], result["reason"]) == ("failed", CHANGED)
    assert result["digest"] == video_digest(clips["plain.mp4"])
    assert decode(path, decoder)[1]["status"] == "ok"


def test_without_another_name_the_path_is_opened(clips, tmp_path, monkeypatch):
    file = HeldFile(clips["plain.mp4"], tmp_path)
    with file.name() as name:
        assert (Path(name).samefile(clips["plain.mp4"]), name.endswith(".mp4")) == (True, True)
        assert name != str(clips["plain.mp4"])
    monkeypatch.setattr(held_file, "OPEN_FILES", tmp_path / "none")
    for each in (file, HeldFile(clips["plain.mp4"]), HeldFile(clips["plain.mp4"], tmp_path / "none")):
        with each.name() as name:
            assert name == str(clips["plain.mp4"])


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("readable", [0.0, 0.05, 0.6])
@pytest.mark.parametrize(
    "name", ["plain.mp4", "fragments.mp4", "plain.mkv", "sound.flv", "b_frames.avi", "transport.ts"]
)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.ESTALE, "Stale file handle"), "Stale file handle"),
        (MemoryError(), "needs more than 1024 MB of memory (set by decode_memory_mb)"),
    ],
)
def test_what_cannot_be_read_at_present_is_tried_again(clips, monkeypatch, name, decoder, readable, error, reason):
    """Neither damage nor no video, at planning or later."""
    reading, end = os.pread, int(readable * clips[name].stat().st_size)

    def failing(number, count, start):
        if start + count > end:
            raise error
        return reading(number, count, start)

    monkeypatch.setattr(held_file.os, "pread", failing)
    _, result = decode(clips[name], decoder)
    assert (result["status"], result["reason"], result["damaged"]) == ("failed", reason, None)
    assert "digest" not in result
    assert probe(clips[name], clip_length=16) == Probe()


def test_pipes_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/null", "/dev/zero"):
        with pytest.raises(UnreadableError, match="not a regular file"):
            HeldFile(Path(path))
    with pytest.raises(UnreadableError, match="a directory"):
        HeldFile(tmp_path)


def test_a_pipe_in_the_last_moment_is_refused_too(tmp_path, monkeypatch):
    (tmp_path / "x.mp4").write_bytes(b"video")
    opening = os.open

    def swapped(path, flags):
        path.unlink()
        os.mkfifo(path)
        return opening(path, flags)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(UnreadableError, match="not a regular file"):
        HeldFile(tmp_path / "x.mp4")


def test_no_file_stays_open(clips):
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(50):
        HeldFile(clips["plain.mp4"])
        with pytest.raises(UnreadableError):
            HeldFile(Path("/dev/null"))
    assert len(list(Path("/dev/fd").iterdir())) == before
