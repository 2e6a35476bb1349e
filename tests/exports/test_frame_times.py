"""When frames are shown, against the timestamps that a clip was written with."""

from fractions import Fraction

import av
import numpy as np
import pytest

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.exports.annotations import Matched
from i3d.exports.frame_times import frame_times, snippet_table
from i3d.exports.ground_truth import ground_truth
from i3d.snippets import SnippetRule
from tests.support.rows import row

MILLISECONDS = [0, 40, 80, 120, 1000, 1040, 2000, 2500, 2540, 2580]  # a recording of variable rate


def write_variable(path, codec="mpeg4", stamps=MILLISECONDS, **options):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for place, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * place, np.uint8), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(("name", "codec", "options"), [("v.mkv", "mpeg4", {}), ("v.mp4", "libx264", {"bf": "2"})])
def test_frames_have_the_times_they_were_written_with(tmp_path, name, codec, options):
    """Also where packets come in another order than pictures."""
    write_variable(tmp_path / name, codec, **options)
    times = frame_times(row(name, frames=10, fps=25.0), tmp_path)
    assert times.recorded and (times.starts * 1000).round().tolist() == MILLISECONDS
    assert (times.ends * 1000).round().tolist()[:-1] == MILLISECONDS[1:]


@pytest.mark.parametrize(
    ("span", "frames"),
    [((0.9, 1.01), (3, 4)), ((1.0, 1.04), (4, 4)), ((1.5, 1.6), (5, 5)), ((0, 99), (0, 9)), ((2.5, 2.5), (7, 7))],
)
def test_a_span_means_the_frames_that_are_shown_in_it(tmp_path, span, frames):
    write_variable(tmp_path / "v.mkv")
    assert frame_times(row("v.mkv", frames=10, fps=25.0), tmp_path).event(Span(*span, "x")) == Event(*frames, "x")


def test_without_the_recording_its_rate_counts(tmp_path):
    times = frame_times(row("gone.mp4", frames=10, fps=20.0), tmp_path)
    assert not times.recorded and times.event(Span(0.1, 0.2)) == Event(2, 3)
    write_variable(tmp_path / "v.mkv")
    cut = frame_times(row("v.mkv", frames=7, fps=20.0), tmp_path)
    assert not cut.recorded and len(cut.starts) == 7, "timestamps of other frames than were cut into snippets"
    resampled = frame_times(row("v.mkv", frames=30, fps=25.0, resample_fps=10.0), tmp_path)
    assert resampled.recorded and resampled.event(Span(1.0, 1.5)) == Event(10, 14)
    with pytest.raises(UserError, match="testing/frames/01_0014: its frame rate is unknown"):
        frame_times(row("testing/frames/01_0014", frames=9), tmp_path)


def test_ground_truth_in_seconds_of_a_recording_of_variable_rate(tmp_path):
    write_variable(tmp_path / "v.mkv")
    np.save(tmp_path / "v.npy", np.zeros((1, 1, 8), np.float32))
    rows = [row("v.mkv", frames=10, fps=25.0)]
    rows[0].feature_file = "v.npy"
    matched = Matched(events={"v.mkv": [Span(1.0, 2.2, "x")]})
    truth = ground_truth(rows, matched, tmp_path, 8, videos=tmp_path)
    assert np.flatnonzero(truth.values()).tolist() == [4, 5, 6]


def test_snippets_have_times(tmp_path):
    write_variable(tmp_path / "v.mkv")
    rows = [row("v.mkv", frames=10, fps=25.0, snippets=2), row("frames/01", frames=8, snippets=1)]
    rows.append(row("gone.mp4", frames=9, fps=20.0, snippets=1))
    assert snippet_table(rows, tmp_path, SnippetRule(4, 5))[1:] == [
        ["v.mkv", "0", "0", "3", "0.000000", "1.000000", "timestamps"],
        ["v.mkv", "1", "5", "8", "1.040000", "2.580000", "timestamps"],
        ["frames/01", "0", "0", "3", "", "", ""],
        ["gone.mp4", "0", "0", "3", "0.000000", "0.200000", "rate"],
    ]
