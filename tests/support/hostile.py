"""A decode worker whose readers misbehave on videos named for it: `python -m hostile`.

`<decoder>_<mischief>.mp4` misbehaves at its sixth frame: with decord, pyav or both.
"""

import ctypes
import os
import signal
import time
from pathlib import Path

from i3d.decoding import decoder as decoding
from i3d.decoding import decord_reader, video_file


def hang() -> None:
    """Wait for ever with the interpreter lock held, as decord's endless loop does."""
    ctypes.PyDLL(None).pause()


def hog() -> None:
    """Take memory, 16 MB at a time."""
    taken = []
    while True:
        taken.append(b"x" * (16 << 20))
        time.sleep(0.01)


def leap() -> None:
    """Ask for more memory at once than the hard limit allows."""
    bytearray(8 << 30)


def die() -> None:
    """Be killed from outside, as by a batch system's memory guard."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    """Read where there is nothing."""
    ctypes.string_at(0)


def misbehaving(read, decoder, path_of):
    """The reader `read`, with mischief for the videos that ask for it."""

    def frames(first, *rest):
        who, _, mischief = Path(path_of(first)).stem.partition("_")
        for number, frame in enumerate(read(first, *rest)):
            if number == 5 and who in (decoder, "both"):
                {"hang": hang, "hog": hog, "leap": leap, "die": die, "crash": crash}[mischief]()
            yield frame

    return frames


if __name__ == "__main__":
    decord_reader.decord_frames = misbehaving(decord_reader.decord_frames, "decord", lambda file: file.path)
    video_file.Video.decode = misbehaving(video_file.Video.decode, "pyav", lambda video: video.file.path)
    decoding.main()
