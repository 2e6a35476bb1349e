"""The program itself: its output, its exit statuses, and what it leaves behind when it is stopped."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i3d.frame_stream import Begin, End, Frames, read_stream
from i3d.records import journal
from i3d.records.bundles import BundleEntry, make_bundle, read_bundle, write_bundle
from i3d.records.work_folder import WorkFolder
from i3d.settings import NumericSettings
from tests.support.clips import KINDS, true_frames
from tests.support.paths import SCRIPTS
from tests.support.processes import gone, hear_ctrl_c
from tests.support.records import record, record_of_feature

PROGRAM = [sys.executable, str(SCRIPTS / "decode.py")]


SETTINGS = NumericSettings()


def run(*arguments, **options):
    return subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def messages(path, video=None):
    """The messages, of one video or of all; frames by their number."""
    with path.open("rb") as file:
        return [
            message if isinstance(message, Begin | End) else len(message.frames)
            for message in read_stream(file)
            if video in (None, message.video)
        ]


@pytest.fixture
def bundle(clips, undecodable, tmp_path):
    """A bundle file of three videos, the second of them broken."""
    paths = {"a/x.mp4": clips["plain.mp4"], "a/bad\n.mp4": undecodable["empty file"], "b/y.ts": clips["transport.ts"]}
    entries = [
        BundleEntry(video=video, path=str(path), feature=str(Path(video).with_suffix(".npy")), digest="d", frames=24)
        for video, path in paths.items()
    ]
    return write(tmp_path, entries)


def write(folder: Path, entries: list[BundleEntry]) -> Path:
    work, bundle = WorkFolder(folder), make_bundle(SETTINGS, entries)
    write_bundle(bundle, work.bundle(bundle.name))
    return work.bundle(bundle.name)


def test_a_bundle_becomes_one_stream_and_one_log_line_per_video(bundle, tmp_path):
    result = run("--bundle", bundle, "--output", tmp_path / "out.frames")
    assert (result.returncode, result.stdout) == (0, "")
    assert [re.sub(r"\d+\.\d\d s", "N s", line) for line in result.stderr.splitlines()] == [
        "a/x.mp4: ok, pyav, 24 frames, N s",
        "'a/bad\\n.mp4': unreadable, pyav, 0 frames, N s (empty file)",
        "b/y.ts: ok, pyav, 24 frames, N s",
    ]
    ends = [m for m in messages(tmp_path / "out.frames") if isinstance(m, End)]
    assert [(end.video, end.result["status"]) for end in ends] == [(0, "ok"), (1, "unreadable"), (2, "ok")]
    always = {"frames_decoded", "status", "reason", "damaged", "seconds"}
    assert [set(end.result) - always for end in ends] == [
        {"frames_declared", "digest"},
        set(),
        {"frames_declared", "digest"},
    ]


def test_what_an_earlier_attempt_finished_is_left_out(bundle, tmp_path):
    work = WorkFolder.of_file(bundle)
    done = record_of_feature(work.staging, "a/x.mp4", fingerprint=SETTINGS.fingerprint)
    journal.append(work.journal(bundle.stem), [done, record("b/y.ts", "failed", fingerprint=SETTINGS.fingerprint)])
    run("--bundle", bundle, "--output", tmp_path / "out.frames")
    assert [m.video for m in messages(tmp_path / "out.frames") if isinstance(m, End)] == [1, 2]


def test_frames_that_no_snippet_takes_stay_out_of_the_stream(bundle, clips, tmp_path):
    write_bundle(make_bundle(NumericSettings(clip_length=8, frequency=10), read_bundle(bundle).videos), bundle)
    assert run("--bundle", bundle, "--output", tmp_path / "bundle.frames").returncode == 0
    by_hand = ("--clip-length", 8, "--frequency", 10, "--output", tmp_path / "hand.frames")
    assert run(clips["plain.mp4"], *by_hand).returncode == 0
    for stream, video in [("bundle.frames", 2), ("bundle.frames", 0), ("hand.frames", 0)]:
        found = messages(tmp_path / stream, video)
        assert found[0].info["decoding"]["left_out"] == [8, 10]
        assert sum(found[1:-1]) == 20  # 0 to 7, 10 to 17, 20 to 23
        assert found[-1].result["frames_decoded"] == 24


def test_nothing_to_do_is_an_empty_stream(tmp_path):
    assert run("--bundle", write(tmp_path, []), "--output", tmp_path / "out.frames").returncode == 0
    assert messages(tmp_path / "out.frames") == []


def test_a_video_is_never_the_output(clips, tmp_path):
    video = tmp_path / "x.mp4"
    shutil.copy(clips["plain.mp4"], video)
    (tmp_path / "link").symlink_to(video)
    for output in (video, tmp_path / "link"):
        result = run(clips["dropped.mp4"], video, "--output", output)
        assert result.stderr == f"error: {output}: is one of the videos, and stays as it is; name another --output\n"
    assert video.read_bytes() == clips["plain.mp4"].read_bytes()


def test_videos_by_hand_through_a_pipe(clips, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.extend(messages(pipe)))
    reader.start()
    result = run(os.path.relpath(clips["dropped.mp4"], tmp_path), "--output", "pipe", "--fps", 12, cwd=tmp_path)
    reader.join()
    assert result.returncode == 0
    assert received[0].info["decoder"] == "pyav"
    expected = len(true_frames(clips["dropped.mp4"], 160, 96, fps="12"))
    assert sum(received[1:-1]) == received[-1].result["frames_decoded"] == expected


def test_the_network_gets_pillows_resize_of_ffmpegs_frames(clips, tmp_path):
    sound = [name for name in KINDS if not name.startswith("cut")]
    assert run(*(clips[name] for name in sound), "--output", tmp_path / "all.frames").returncode == 0
    frames = {name: [] for name in sound}
    with (tmp_path / "all.frames").open("rb") as file:
        for message in read_stream(file):
            if isinstance(message, Begin):
                frames[sound[message.video]] = []
            elif isinstance(message, Frames):
                frames[sound[message.video]].extend(message.frames.copy())
    for name in sound:
        images = [Image.fromarray(frame) for frame in true_frames(clips[name], *KINDS[name].size)]
        expected = np.stack([image.resize((340, 256), Image.Resampling.LANCZOS) for image in images])
        assert np.array_equal(np.stack(frames[name]), expected), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bundle", "missing.json", "--output", "x"], "missing.json: not a readable bundle file"),
        (["PLAIN", "--output", "/dev/full"], "/dev/full: cannot write frames: No space left on device"),
        (["PLAIN", "--output", "no/such/folder/x"], "cannot write frames: No such file or directory"),
    ],
)
def test_trouble_with_the_machine_is_one_line_and_a_failure(clips, tmp_path, arguments, words):
    arguments = [clips["plain.mp4"] if argument == "PLAIN" else argument for argument in arguments]
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_ends_it(clips, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [*PROGRAM, clips["plain.mp4"], "--output", tmp_path / "pipe"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    (tmp_path / "pipe").open("rb").close()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert log.splitlines()[-1] == f"error: {tmp_path / 'pipe'}: the reader of the frame stream is gone; see its log"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopping_it_leaves_no_worker(clips, tmp_path, number):
    """It is stopped while it waits for the reader of a pipe, its worker full of frames."""
    os.mkfifo(tmp_path / "pipe")
    command = [*PROGRAM, clips["plain.mp4"], "--output", tmp_path / "pipe"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c)
    with (tmp_path / "pipe").open("rb") as pipe:
        assert len(pipe.read(100_000)) == 100_000
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        _, log = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
    assert b"Traceback" not in log
    assert len(workers) == 1
    assert gone(int(workers[0]))
