"""Ground truth: one value per frame of the snippets, in the order of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3d.errors import UserError
from i3d.exports.annotation_formats import Event, Span
from i3d.exports.annotations import Matched, resampled
from i3d.exports.frame_times import frame_times
from i3d.quantities import count, named
from i3d.records.record import Row


@dataclass(frozen=True)
class VideoTruth:
    """A video, the number of frames in its snippets (`frequency` each), and the annotated events in these frames."""

    row: Row
    frames: int
    segments: list[Event]

    def values(self) -> np.ndarray:
        """Float64 (frames,): 1 in the segments, 0 elsewhere."""
        truth = np.zeros(self.frames)
        for segment in self.segments:
            truth[segment.first : segment.last + 1] = 1
        return truth


@dataclass(frozen=True)
class Truth:
    """The truth of a split's videos, in their order, and warnings."""

    videos: list[VideoTruth]
    warnings: list[str]

    def values(self) -> np.ndarray:
        """Float64 (frames of all videos,)."""
        return np.concatenate([video.values() for video in self.videos])


def ground_truth(
    rows: Sequence[Row],
    matched: Matched,
    features: Path,
    frequency: int,
    unannotated: str = "zeros",
    strict: bool = False,
    videos: Path = Path(),
) -> Truth:
    """Mark the annotated events in the frames of a split's snippets.

    Parameters
    ----------
    matched
        The annotations, in frames of the recordings or in seconds; those of resampled videos are mapped.
    frequency
        Frames per snippet.
    unannotated
        `zeros` or `ones`: marks anomalies without a row in the annotations.
    strict
        Refuse these anomalies, and annotated videos that are not in the tree.
    videos
        The tree of recordings, whose timestamps map seconds to frames.

    Raises
    ------
    UserError
        By `strict`, when a feature is missing, or when the frame rate needed for the mapping is unknown.
    """
    if strict and matched.unknown:
        raise UserError(
            f"{named(matched.unknown, len(matched.unknown))}: annotated, but no such video is in metadata.csv; correct "
            "the annotations or set `ground_truth: strict` to false"
        )
    warnings = list(matched.warnings)
    if matched.unknown:
        names = count(len(matched.unknown), "annotated name")
        warnings.append(f"{names} without a video in metadata.csv: {named(matched.unknown)}")
    if matched.heirs:
        heirs = [f"{heir} from {source}" for heir, source in matched.heirs.items()]
        verb = "copy inherits the events of its" if len(heirs) == 1 else "copies inherit the events of their"
        warnings.append(f"{len(heirs)} {verb} source: {named(heirs)}")
    bare = [row.video for row in rows if row.label == 1 and row.video not in matched.events]
    if strict and bare:
        raise UserError(
            f"{named(bare, len(bare))}: an anomaly without a row in the annotations; add one, or set `ground_truth: "
            "strict` to false"
        )
    if bare:
        verb = "anomaly is" if len(bare) == 1 else "anomalies are"
        warnings.append(f"{len(bare)} {verb} not annotated and marked all {unannotated}: {named(bare)}")
    truths: list[VideoTruth] = []
    for row in rows:
        frames = len(load(features / row.feature_file)) * frequency
        own = matched.events.get(row.video, [])
        if unannotated == "ones" and row.video in bare:
            segments = [Event(0, frames - 1)]
        else:
            segments = _segments(row, own, frames, videos, warnings)
        if row.label == 1 and own and not segments:
            warnings.append(f"{row.video}: an anomaly, but no annotated frame lies in its snippets: marked all zeros")
        truths.append(VideoTruth(row, frames, segments))
    if not any(video.segments for video in truths):
        warnings.append("no frame at all is marked, so no AUC can be computed against this ground truth")
    return Truth(truths, warnings)


def _segments(row: Row, events: Sequence[Event | Span], held: int, videos: Path, warnings: list[str]) -> list[Event]:
    """The events in the `held` frames of the row's snippets."""
    if row.label == 0 and events:
        warnings.append(f"{row.video}: it is normal, so its annotated events are left out")
        return []
    segments = []
    for event, own in zip(events, _own_frames(events, row, videos, warnings), strict=True):
        frames = row.frames_decoded if row.frames_decoded is not None else held
        if own.first < 0 or own.last >= frames:
            annotated = f"{event[0]:g}-{event[1]:g}" + (" s" if isinstance(event, Span) else "")
            warnings.append(f"{row.video}: event {annotated} clipped to the video's {frames} frames")
        own = own._replace(first=max(own.first, 0), last=min(own.last, held - 1))
        if own.first <= own.last:
            segments.append(own)
    return sorted(segments)


def _own_frames(events: Sequence[Event | Span], row: Row, videos: Path, warnings: list[str]) -> list[Event]:
    """The events in the frames from which the snippets were cut."""
    times = frame_times(row, videos) if any(isinstance(event, Span) for event in events) else None
    if times is not None and not times.recorded:
        warnings.append(
            f"{row.video}: its seconds are mapped to frames by its rate of {row.fps:g} fps, as its recording does not "
            "say when each frame is shown, or is not here"
        )
    own = []
    for event in events:
        if isinstance(event, Span):
            assert times is not None
            own.append(times.event(event))
        elif row.constant_fps is None:
            own.append(event)
        elif not row.fps:
            raise UserError(
                f"{row.video}: its own frame rate is unknown, so its events cannot be mapped to {row.constant_fps:g} "
                "fps; take it out of the split"
            )
        else:
            own.append(resampled(event, row.fps, row.constant_fps))
    return own


def load(path: Path) -> np.ndarray:
    """Map a feature (snippets, crops, dim) into memory. Raises UserError when it is gone or no feature."""
    if not path.exists():
        raise UserError(f"{path}: gone, though metadata.csv lists it; run the workflow again")
    try:
        array = open_array(path)
        if array.ndim != 3:
            raise ValueError(f"an array of the shape {array.shape}")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a feature ({error}); move it away and run the workflow again") from None
    return array


def open_array(path: Path) -> np.ndarray:
    """Map an array into memory. Raises OSError or ValueError for a pickled array or any other file."""
    if not path.is_file():  # a FIFO would block for ever
        raise ValueError("not a regular file")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError:
        raise ValueError("an empty file") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("an archive of arrays")
    return array
