"""Workers that hang, eat memory or die cost one video's try and nothing else."""

import io
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import ClassVar

import numpy as np
import pytest

from i3d.decoding import decoder as decoding
from i3d.decoding.damage import Faults
from i3d.decoding.decoder import BLOCK_FRAMES, BLOCKS_BYTES, decode_videos, shared_blocks
from i3d.decoding.pictures import Picture
from i3d.decoding.resize import resize
from i3d.decoding.video_file import Video
from i3d.decoding.workers import SHARED_HEADER_BYTES, Crew, Worker
from i3d.frame_stream import Begin, End, StreamWriter, read_stream
from i3d.settings import JobSettings, NumericSettings
from tests.support.paths import WORKERS
from tests.support.processes import gone

LIMITS = {"memory_mb": 512, "stall_seconds": 9.0}
STALL = 5.0  # seconds; enough for a frame on a busy machine
NO_STALL = 300.0  # where the fault must not be taken for a stall, however busy the machine
ORIGINAL = NumericSettings()


def decode(paths, module="i3d.decoding.decoder", file=None, *, settings=ORIGINAL, threads=1, **job):
    """BEGINs, frames since the last BEGIN, and ENDs of decoding these videos, by the videos' places."""
    file = file or io.BytesIO()
    writer = StreamWriter(file)
    videos = [(place, path.name, path) for place, path in enumerate(paths)]
    decode_videos(videos, writer, settings, JobSettings(**job), threads=threads, module=module)
    writer.close()
    file.seek(0)
    begins, frames, ends = {}, {}, {}
    for message in read_stream(file):
        if isinstance(message, Begin):
            begins.setdefault(message.video, []).append(message.info)
            frames[message.video] = []
        elif isinstance(message, End):
            assert message.video not in ends
            ends[message.video] = message.result
        else:
            frames[message.video] += list(message.frames.copy())
    return begins, frames, ends


@pytest.fixture(scope="module")
def expected(clips):
    """The plain clip's frames, resized, without any worker."""
    picture = Picture()
    video = Video(clips["plain.mp4"])
    return np.stack([resize(picture(frame)) for frame in video.decode(Faults())])


@pytest.mark.parametrize("threads", [1, 3])
def test_every_video_arrives_whole_and_in_order(clips, undecodable, expected, threads):
    paths = [clips["plain.mp4"], undecodable["empty file"], clips["upper.MP4"], clips["transport.ts"]]
    begins, frames, ends = decode(paths, threads=threads, decoder="decord")
    assert [ends[place]["status"] for place in range(4)] == ["ok", "unreadable", "ok", "ok"]
    assert np.array_equal(frames[0], expected)
    assert np.array_equal(frames[2], expected)
    assert len(frames[3]) == ends[3]["frames_decoded"] == 24
    assert [begins[place][0]["decoder"] for place in (0, 2, 3)] == ["decord", "decord", "pyav"]
    known = dict.fromkeys(begins[0][0].keys() - {"resized_by"})
    assert begins[1] == [known | {"decoder": "pyav", "decoding": ORIGINAL.decoding}]


def test_a_block_is_handed_over_when_its_last_frame_is_done(monkeypatch):
    """Many threads, of which the one with a block's first frame is the slowest."""

    class Parent:
        threads = 8
        shared = mmap.mmap(-1, SHARED_HEADER_BYTES + BLOCKS_BYTES)
        received: ClassVar[list[int]] = []
        held: ClassVar[list[int]] = []

        def send(self, message):
            block = shared_blocks(self.shared)[message["block"], : message["frames"]]
            self.received += [int(frame[0, 0, 0]) for frame in block]
            block[:] = 255
            self.held.append(message["block"])

        def receive(self):
            return {"free": self.held.pop(0)}

    def slow(frame, out):
        time.sleep(0.02 * (frame[0, 0, 0] % BLOCK_FRAMES == 0))
        out[:] = frame

    monkeypatch.setattr(decoding, "resize", slow)
    outlet = decoding.Outlet(Parent())
    for number in range(6 * BLOCK_FRAMES + 3):
        outlet.put(np.full((1, 1, 3), number, np.uint8))
    outlet.flush()
    assert Parent.received == list(range(6 * BLOCK_FRAMES + 3))


def test_without_llvm_pillow_resizes_and_the_log_says_so_once(clips, expected, monkeypatch, caplog):
    monkeypatch.setenv("PYTHONPATH", WORKERS)
    paths = [clips["plain.mp4"], clips["upper.MP4"], clips["plain.mkv"]]
    _, frames, ends = decode(paths, "without_llvm", threads=2)
    assert all(np.array_equal(np.stack(frames[place]), expected) for place in range(3))
    assert [ends[place]["status"] for place in range(3)] == ["ok"] * 3
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["frames are resized by Pillow, several times slower than necessary: llvmlite is not installed"]


def test_only_frames_that_snippets_use_are_delivered(clips, expected):
    settings = NumericSettings(clip_length=3, frequency=10)
    begins, frames, ends = decode([clips["plain.mp4"], clips["cut.ts"]], settings=settings)
    assert np.array_equal(np.stack(frames[0]), expected[[0, 1, 2, 10, 11, 12, 20, 21, 22]])
    for place in (0, 1):
        assert begins[place][0]["decoding"] == settings.decoding
        assert len(frames[place]) == settings.rule.used(ends[place]["frames_decoded"]) < ends[place]["frames_decoded"]


@pytest.mark.parametrize(
    ("stall_seconds", "reasons"),
    [
        (
            STALL,
            {
                "decord_hang": f"decord: no frame for {STALL:g} s (set by stall_seconds)",
                "plain": None,
                "both_hang": f"no frame for {STALL:g} s (set by stall_seconds)",
            },
        ),
        (
            NO_STALL,
            {
                "decord_hog": "decord: needs more than 512 MB of memory (set by decode_memory_mb)",
                "decord_die": "decord: the decoder was killed by SIGKILL",
                "decord_crash": "decord: the decoder was killed by SIGSEGV",
                "plain": None,
                "both_hog": "needs more than 512 MB of memory (set by decode_memory_mb)",
                "both_leap": "needs more than 512 MB of memory (set by decode_memory_mb)",
                "both_die": "the decoder was killed by SIGKILL",
            },
        ),
    ],
    ids=["hang", "hog or die"],
)
def test_a_worker_that_misbehaves_costs_its_video_a_try(clips, expected, monkeypatch, tmp_path, stall_seconds, reasons):
    monkeypatch.setenv("PYTHONPATH", WORKERS)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    paths = [tmp_path / f"{name}.mp4" for name in reasons]
    for path in paths:
        path.symlink_to(clips["plain.mp4"])
    limits = {"stall_seconds": stall_seconds, "decode_memory_mb": 512}
    begins, frames, ends = decode(paths, "hostile", threads=3, decoder="decord", **limits)
    assert list((tmp_path / "temporary").iterdir()) == []
    for place, (name, reason) in enumerate(reasons.items()):
        if name.startswith("both"):
            assert (name, ends[place]["status"], ends[place]["reason"]) == (name, "failed", reason)
            assert ends[place]["frames_decoded"] == len(frames[place]) < 24
        else:
            assert (name, ends[place]["status"], ends[place]["reason"]) == (name, "ok", None)
            assert begins[place][-1]["decoder_reason"] == reason
            assert np.array_equal(frames[place], expected)


def test_a_slow_reader_of_the_stream_is_no_stall(clips, tmp_path):
    class SlowFile(io.BytesIO):
        slept = False

        def write(self, data):
            if len(data) > 1_000_000 and not self.slept:
                self.slept = True
                time.sleep(2 * STALL)
            return super().write(data)

    paths = [clips["plain.mkv"], clips["plain.mp4"]]
    _, _, ends = decode(paths, file=SlowFile(), threads=2, stall_seconds=STALL)
    assert [ends[place]["status"] for place in range(2)] == ["ok", "ok"]


def test_a_worker_dies_with_its_parent():
    """The parent is killed while its worker waits with the interpreter lock held."""
    script = (
        "import os; from i3d.decoding.workers import Worker\n"
        "worker = Worker('hostile_child', memory_mb=512, stall_seconds=9)\n"
        "worker.receive(); print(worker.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": WORKERS},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.returncode == -signal.SIGKILL
    assert gone(int(run.stdout))


def test_a_worker_that_dies_while_idle_costs_nothing():
    with Crew[int](lambda: Worker("i3d.decoding.probe", **LIMITS)) as crew:
        job = {"path": "/missing.mp4", "clip_length": 16, "fps": None}
        pids = []
        for _ in range(2):
            crew.give(1, job)
            events = list(crew.events())
            while not events:
                events = list(crew.events())
            [(worker, _, event)] = events
            assert event["reason"] is None
            crew.done(worker)
            pids.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
            assert gone(worker.pid)
        assert pids[0] != pids[1]


def test_a_crew_leaves_no_worker_behind(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", WORKERS)
    pids = []
    with (
        pytest.raises(KeyboardInterrupt),
        Crew[int](lambda: Worker("hostile_child", memory_mb=512, stall_seconds=9)) as crew,
    ):
        for task in range(2):
            crew.give(task, {})
        pids += [worker.pid for worker in crew.busy]
        raise KeyboardInterrupt
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)
