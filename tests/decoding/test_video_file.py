"""Opening and reading video files."""

import av

from i3d.decoding.damage import Faults
from i3d.decoding.file_kinds import mp4_boxes
from i3d.decoding.held_file import HeldFile
from i3d.decoding.video_file import Video
from tests.support.recorder import decode


def test_what_the_decoder_still_holds_comes_out_when_reading_breaks_off(clips):
    """B-frames: the decoder lags behind the packets."""
    video, faults = Video(clips["plain.mp4"]), Faults()
    packets = list(video.packets())[:20]

    class BrokenOff:
        def demux(self, _):
            yield from packets
            raise av.InvalidDataError(1, "", "")

    video.container = BrokenOff()
    assert len(list(video.decode(faults))) == 20
    assert faults.words(24) == "the file breaks off; 20 of 24 declared frames decoded"


def boxes(path):
    return mp4_boxes(HeldFile(path))


def test_boxes_of_absurd_lengths_are_read_over(clips, tmp_path):
    data = bytearray(clips["plain.mp4"].read_bytes())
    assert boxes(clips["plain.mp4"]) == ([b"ftyp", b"free", b"mdat", b"moov"], False)
    (tmp_path / "long.mp4").write_bytes(data[:32] + (1 << 31).to_bytes(4) + data[36:])
    assert boxes(tmp_path / "long.mp4")[1]
    (tmp_path / "huge.mp4").write_bytes(data[:32] + b"\0\0\0\1free" + b"\xff" * 8 + data[48:])
    assert boxes(tmp_path / "huge.mp4") == ([b"ftyp", b"free"], True)
    assert decode(tmp_path / "huge.mp4")[1]["status"] == "unreadable"
