"""The record of a finished video, one type for journals, plans, the table and the report.

A new column of metadata.csv is a new field here. Its value is sent under the same name: by the decoding worker in its
BEGIN or END message, or by extract.py with the settings that all records of a bundle share.
"""

import re
from datetime import UTC, datetime
from typing import Literal

import msgspec

from i3d.frame_folders import DECODER
from i3d.paths import features_of, is_clean
from i3d.settings import NumericSettings

Status = Literal["ok", "skipped", "failed", "not done", "orphaned"]
OK: Status = "ok"
SKIPPED: Status = "skipped"  # too short or unreadable: no feature, and not an error
FAILED: Status = "failed"  # tried again by the next run
NOT_DONE: Status = "not done"  # its run was stopped, or its job died; in tables only, never in a journal
ORPHANED: Status = "orphaned"  # there is a feature, but its video is gone; likewise

BUNDLE_NAME = re.compile(r"[\w-]*")


class VideoRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A video, as a run left it. All fields but the last group are columns of metadata.csv, in this order."""

    video: str  # path under the videos tree
    feature_file: str = ""  # path under the features tree; empty unless there is a feature
    status: Status
    reason: str | None = None  # why it is not ok, or a remark
    snippets: int | None = None
    crops: int | None = None
    dim: int | None = None

    frames_declared: int | None = None  # by the header
    frames_decoded: int | None = None
    fps: float | None = None  # of the recording
    width: int | None = None  # pixels, as shown; of a video that was not decoded, as stored
    height: int | None = None
    decoder: str | None = None
    decoder_reason: str | None = None  # why not the configured one
    resized_by: str | None = None  # a version of Pillow whose pictures differ from the pinned one's; None: they do not
    damaged: str | None = None  # what is wrong with a video that has features all the same
    seconds: float | None = None  # its share of its bundle's time; a bundle's values sum to its total

    weights: str | None = None
    weights_sha256: str | None = None
    model: str | None = None
    normalization: str | None = None
    precision: str | None = None
    sample_mode: str | None = None
    frequency: int | None = None
    clip_length: int | None = None
    frame_pooling: str | None = None  # of image towers: `mean` or `middle`
    crop_resize: str | None = None  # size and filter, where the network needs crops of another size
    resample_fps: float | None = None  # the constant rate that its frames were taken at
    via_jpeg: bool | str | None = None  # whether its frames went through JPEG, and how; None: they did not
    device: str | None = None
    bundle: str | None = None
    started: str | None = None  # ISO 8601, UTC
    finished: str | None = None
    versions: str | None = None
    digest: str = ""  # of the video's content, see `digests.video_digest`
    feature_sha256: str | None = None  # of the whole feature file

    # Not in the table: used to match the record with a video, settings and a feature file.
    tree: str = ""  # the real path of its videos tree; empty in older records
    fingerprint: str = ""  # of the settings
    feature_size: int | None = None  # bytes

    @property
    def is_sound(self) -> bool:
        """Whether its paths stay below the trees, and its feature file is one that this video may have."""
        sound = is_clean(self.video) and self.feature_file in ("", *features_of(self.video))
        return sound and (self.bundle is None or BUNDLE_NAME.fullmatch(self.bundle) is not None)

    def fits(self, digest: str, fingerprint: str) -> bool:
        """Whether this is the record of a video with this content, made under settings with this fingerprint."""
        return self.digest == digest and self.fingerprint == fingerprint


class Row(VideoRecord, kw_only=True):
    """A row of metadata.csv: a record, with the split, category and label of the video."""

    split: str = ""
    category: str = ""
    label: int | None = None  # 1: anomaly, 0: normal

    @property
    def subset(self) -> str:
        """The video's folder below the videos tree."""
        return self.video.rpartition("/")[0] or "."

    @property
    def constant_fps(self) -> float | None:
        """The constant rate that its frames were taken at; pictures of a folder have no times, and are all taken."""
        return None if self.decoder == DECODER else self.resample_fps

    @property
    def frame_rate(self) -> float | None:
        """The rate of the frames from which its snippets were cut, if known."""
        return self.constant_fps or self.fps

    @property
    def began(self) -> datetime | None:
        """When its first frame reached the network."""
        return _moment(self.started)

    @property
    def ended(self) -> datetime | None:
        """When its feature was finished."""
        return _moment(self.finished)


def _moment(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


INTERNAL = ("tree", "fingerprint", "feature_size")
_RECORDED = tuple(name for name in VideoRecord.__struct_fields__ if name not in INTERNAL)
_PLACE = _RECORDED.index("dim") + 1  # of the columns that a row adds
COLUMNS = (*_RECORDED[:_PLACE], "split", "category", "label", *_RECORDED[_PLACE:])
SETTINGS_COLUMNS = (  # these fix the numbers: rows that differ in one do not belong in one data set
    *("weights_sha256", "model", "normalization", "precision", "sample_mode"),
    *("frequency", "clip_length", "frame_pooling", "resample_fps", "via_jpeg"),
)


def settings_differences(record: VideoRecord, other: VideoRecord) -> list[str]:
    """List the settings in which two records differ, like `normalization inception, not kinetics`."""
    pairs = [(name, getattr(record, name), getattr(other, name)) for name in SETTINGS_COLUMNS]
    return [f"{name} {_short(one)}, not {_short(two)}" for name, one, two in pairs if (one or None) != (two or None)]


def as_planned(settings: NumericSettings) -> VideoRecord:
    """Return a record with nothing but these settings, for comparison with others."""
    return VideoRecord(video="", status=OK, **settings.columns)


def _short(value: object) -> object:
    return value[:12] if isinstance(value, str) and len(value) == 64 else value
