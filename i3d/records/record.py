"""What is recorded of a video once it is done: one typed record, from which tables, plans and reports are derived.

A new column of metadata.csv is a new field here; network/extraction.py fills it in.
"""

import re
from typing import Literal

import msgspec

from i3d.paths import feature_of, is_clean

Status = Literal["ok", "skipped", "failed", "orphaned"]
OK: Status = "ok"
SKIPPED: Status = "skipped"  # too short or unreadable: no feature, and not an error
FAILED: Status = "failed"  # tried again by the next run
ORPHANED: Status = "orphaned"  # the feature is there, its video is gone; in tables only, never in a journal


DECODING = 1  # raised when a release gives the frames of some videos other numbers than the one before


class VideoRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One video, as one run left it. Fields are columns of metadata.csv, in this order, but for the last group."""

    video: str  # path under the videos tree
    feature_file: str = ""  # path under the features tree; empty unless there is a feature
    status: Status
    reason: str | None = None  # why it is not ok
    snippets: int | None = None
    crops: int | None = None
    dim: int | None = None

    frames_declared: int | None = None  # by the header
    frames_decoded: int | None = None
    fps: float | None = None  # of the recording
    width: int | None = None  # pixels, as stored
    height: int | None = None
    decoder: str | None = None
    decoder_reason: str | None = None  # why not the configured one
    damaged: str | None = None  # what is wrong with a video that gave features all the same
    seconds: float | None = None  # its share of the time its bundle took; a bundle's add up to that

    weights: str | None = None
    weights_sha256: str | None = None
    model: str | None = None
    normalization: str | None = None
    precision: str | None = None
    sample_mode: str | None = None
    frequency: int | None = None
    clip_length: int | None = None
    resample_fps: float | None = None  # the constant rate that its frames were taken at
    via_jpeg: bool | str | None = None  # whether its frames went through JPEG, and in which way; None: they did not
    device: str | None = None
    bundle: str | None = None
    started: str | None = None  # ISO 8601, UTC
    finished: str | None = None
    versions: str | None = None

    # Not in the table: what tells whether the record fits a video, settings and a feature file.
    tree: str = ""  # whose video it is: the real path of its videos tree; empty in records from before there was this
    digest: str = ""  # of the video's content
    fingerprint: str = ""  # of the settings
    decoding: int = 0  # DECODING when it was made
    feature_size: int | None = None  # bytes
    feature_sha256: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether its paths stay below the trees, and its feature file is one that this video gives."""
        sound = is_clean(self.video) and self.feature_file in ("", feature_of(self.video))
        return sound and (self.bundle is None or BUNDLE_NAME.fullmatch(self.bundle) is not None)

    def fits(self, digest: str, fingerprint: str) -> bool:
        """Whether this is the record of a video with this content under settings with this fingerprint."""
        return self.digest == digest and self.fingerprint == fingerprint


BUNDLE_NAME = re.compile(r"[\w-]*")
INTERNAL = ("tree", "digest", "fingerprint", "decoding", "feature_size", "feature_sha256")
COLUMNS = tuple(name for name in VideoRecord.__struct_fields__ if name not in INTERNAL)
SETTINGS_COLUMNS = (  # what fixes the numbers; rows that differ in one of these do not belong in one data set
    "weights_sha256",
    "model",
    "normalization",
    "precision",
    "sample_mode",
    "frequency",
    "clip_length",
    "resample_fps",
    "via_jpeg",
)
