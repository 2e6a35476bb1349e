"""The frame stream: what goes in comes out; anything else is a clear error and never a hang."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3d.frame_stream import (
    FRAME_BYTES,
    FRAME_SHAPE,
    HEADER,
    MAGIC,
    Begin,
    End,
    Frames,
    StreamError,
    StreamWriter,
    read_stream,
)


def frames(count: int, value: int = 7) -> np.ndarray:
    return np.full((count, *FRAME_SHAPE), value, np.uint8)


def stream_of(*steps: tuple) -> bytes:
    file = io.BytesIO()
    writer = StreamWriter(file)
    for name, *arguments in steps:
        getattr(writer, name)(*arguments)
    writer.close()
    return file.getvalue()


SMALL = stream_of(("begin", 0, {"fps": 25.0}), ("frames", 0, frames(2)), ("end", 0, {"status": "ok"}))


def test_messages_come_out_as_they_went_in():
    messages = list(read_stream(io.BytesIO(SMALL)))
    assert messages[0] == Begin(0, {"fps": 25.0})
    assert isinstance(messages[1], Frames)
    assert messages[2] == End(0, {"status": "ok"})
    assert len(messages) == 3


def test_frames_come_in_blocks_of_64_at_most():
    ramp = np.arange(150, dtype=np.uint8)[:, None, None, None] * np.ones(FRAME_SHAPE, np.uint8)
    seen = [message.frames for message in read_stream(io.BytesIO(stream_of(("frames", 3, ramp))))]
    assert [len(block) for block in seen] == [64, 64, 22]
    assert np.array_equal(np.concatenate(seen), ramp)


def test_wrong_frames_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        StreamWriter(io.BytesIO()).frames(0, frames(1).astype(np.float32))


@given(st.integers(0, len(SMALL) - 1))
@settings(max_examples=60)
def test_every_cut_is_noticed(length):
    with pytest.raises(StreamError, match="ends early|first bytes"):
        list(read_stream(io.BytesIO(SMALL[:length])))


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_noise_is_refused(noise):
    with pytest.raises(StreamError):
        list(read_stream(io.BytesIO(noise)))
    with pytest.raises(StreamError):
        list(read_stream(io.BytesIO(MAGIC + noise)))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (HEADER.pack(b"FRAM", 0, FRAME_BYTES + 1), "not 1 to 64 frames"),
        (HEADER.pack(b"FRAM", 0, 2**60), "not 1 to 64 frames"),
        (HEADER.pack(b"BEGN", 0, 2**40), "text message of"),
        (HEADER.pack(b"BEGN", 0, 2) + b"[]", "not a JSON object"),
        (HEADER.pack(b"END.", 0, 1) + b"\xff", "not JSON"),
        (HEADER.pack(b"WHAT", 0, 0), "unknown message"),
    ],
)
def test_damage_is_named(message, words):
    with pytest.raises(StreamError, match=words):
        list(read_stream(io.BytesIO(MAGIC + message)))


def test_a_pipe_that_takes_and_gives_little_is_enough():
    class Trickle(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def readable(self):
            return True

        def write(self, view):
            self.data += view[:100_000]
            return min(len(view), 100_000)

        def readinto(self, view):
            count = min(len(view), 70_000, len(self.data))
            view[:count] = self.data[:count]
            del self.data[:count]
            return count

    pipe = Trickle()
    writer = StreamWriter(pipe)
    writer.frames(1, frames(3, 9))
    writer.close()
    (block,) = [message.frames for message in read_stream(pipe)]
    assert np.array_equal(block, frames(3, 9))
