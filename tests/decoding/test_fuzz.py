"""Videos with flipped bytes: none hangs, none stops another, and no loss goes unmarked."""

import hashlib
import io
import random
import subprocess

from i3d.decoding.decoder import decode_videos
from i3d.frame_stream import Begin, End, StreamWriter, read_stream
from i3d.settings import JobSettings, NumericSettings
from tests.support.clips import FFMPEG, h264_clip, without_service_names

SUFFIXES = [".mp4", ".mkv", ".avi", ".ts"]
FRAMES = 60
FLIPPED = [1, 1, 1, 5, 5, 5, 50, 50, 500, 500]  # bytes in each of ten files of a kind


def make_damaged(folder, suffix):
    whole = h264_clip(folder / f"whole{suffix}", frames=FRAMES).read_bytes()
    for seed, flipped in enumerate(FLIPPED):
        chance = random.Random(f"{suffix} {seed}")
        data = bytearray(whole)
        for place in chance.sample(range(len(data)), flipped):
            data[place] ^= chance.randrange(1, 256)
        path = folder / f"{seed}{suffix}"
        path.write_bytes(without_service_names(data) if suffix == ".ts" else data)
        yield path


def ffmpegs_count(path):
    command = [FFMPEG, "-v", "quiet", "-nostdin", "-threads", "1", "-i", path, "-fps_mode", "passthrough"]
    result = subprocess.run([*command, "-f", "framecrc", "-"], capture_output=True, text=True, timeout=60)
    assert result.returncode >= 0, f"ffmpeg crashed on {path.name}"
    return sum(not line.startswith("#") for line in result.stdout.splitlines())


def decode_all(paths, decoder):
    """By the videos' places: how each ended, and a digest of the frames that the network would get."""
    stream = io.BytesIO()
    writer = StreamWriter(stream)
    job = JobSettings(decoder=decoder, stall_seconds=20.0)
    videos = [(place, path.name, path) for place, path in enumerate(paths)]
    decode_videos(videos, writer, NumericSettings(), job, threads=2)
    writer.close()
    stream.seek(0)
    ends, digests = {}, {}
    for message in read_stream(stream):
        if isinstance(message, Begin):
            digests[message.video] = hashlib.sha256()
        elif isinstance(message, End):
            ends[message.video] = message.result
        else:
            digests[message.video].update(message.frames)
    return ends, {video: digest.hexdigest() for video, digest in digests.items()}


def test_counts_are_ffmpegs_and_frames_the_same_whichever_decoder(tmp_path):
    paths = [path for suffix in SUFFIXES for path in make_damaged(tmp_path, suffix)]
    ends, digests = decode_all(paths, "pyav")
    ends_with_decord, digests_with_decord = decode_all(paths, "decord")
    assert len(ends) == len(ends_with_decord) == len(paths) == 40
    lost = 0
    for place, path in enumerate(paths):
        count, end = ffmpegs_count(path), ends[place]
        assert end["status"] in ("ok", "unreadable"), (path.name, end)
        assert end["frames_decoded"] == count or end["damaged"], (path.name, count, end)
        lost += count < FRAMES
        for told in ("status", "reason", "frames_decoded"):  # `damaged` may differ: FFmpeg 4 overlooks harmless faults
            assert end[told] == ends_with_decord[place][told], path.name
    assert digests == digests_with_decord
    assert 5 < lost < 35  # the files are damaged, but not all beyond recognition
