"""The decision on one video: a pure function of the video, what earlier runs left of it, and the settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i3d.decoding.probe import Probe
from i3d.planning.catalog import Known
from i3d.records.record import SKIPPED, VideoRecord
from i3d.settings import NumericSettings
from i3d.snippets import SnippetRule

MOST_COPIES = 100  # of a frame when a video is resampled


@dataclass(frozen=True)
class Waiting:
    """A finished feature that is not in its place: its current path and its record there."""

    source: Path
    record: VideoRecord
    moved: bool  # whether it lies elsewhere in the features tree, since its video was moved


@dataclass(frozen=True)
class Evidence:
    """What earlier runs left of one video, looked up only where the decision needs it."""

    records: list[VideoRecord]  # of the video, the newest last
    present: VideoRecord | None = None  # of the feature in place, if made of this content under these settings
    waiting: Waiting | None = None  # its finished feature, if not in place
    replaces: VideoRecord | None = None  # of the feature in place, if made of other content or under other settings
    stranger: bool = False  # whether the file in the feature's place was not written by the workflow
    obstacle: str | None = None  # why nothing can be put there


@dataclass(frozen=True)
class Decision:
    """The verdict, and the record for the table if there is one already."""

    verdict: Literal["present", "skipped", "waiting", "pending"]
    record: VideoRecord | None = None


def decide(item: Known, evidence: Evidence, settings: NumericSettings) -> Decision:
    """Decide on one video.

    It is `present` if its feature is in place; `skipped` if it is known to be too short or unreadable, or cannot be
    processed; `waiting` if its feature is finished and only has to be moved into place; else `pending`.
    """
    if evidence.present is not None:
        return Decision("present", evidence.present)
    reason = (
        why_too_short_or_unreadable(item.probe, settings.rule)
        or evidence.obstacle
        or _why_not_resampled(item.probe, settings.fps)
    )
    if reason is not None:
        return Decision("skipped", skipped_record(item.file.video, item.probe, reason))
    alike = [record for record in evidence.records if _decoded_alike(record, item, settings)]
    if alike and alike[-1].status == SKIPPED:  # found while decoding
        return Decision("skipped", alike[-1])
    return Decision("pending" if evidence.waiting is None else "waiting")


def why_too_short_or_unreadable(probe: Probe, rule: SnippetRule) -> str | None:
    """Return why a video with this probe is skipped; None if it is not."""
    if probe.reason is not None:
        return f"unreadable: {probe.reason}"
    if probe.exact and probe.frames is not None and rule.is_too_short(probe.frames):
        return rule.why_too_short(probe.frames)
    return None


def skipped_record(video: str, probe: Probe, reason: str) -> VideoRecord:
    """Return the record of a video that is skipped without decoding it."""
    return VideoRecord(
        video=video,
        status=SKIPPED,
        reason=reason,
        frames_declared=probe.declared,
        frames_decoded=probe.frames if probe.exact else None,
        fps=probe.fps,
        width=probe.width,
        height=probe.height,
        damaged=probe.damaged,
    )


def _why_not_resampled(probe: Probe, fps: float | None) -> str | None:
    """Return why a video is not resampled, if that would repeat its frames absurdly often; else None."""
    if not (fps and probe.fps) or fps <= MOST_COPIES * probe.fps:
        return None
    return f"`fps: {fps:g}` would show each of its frames {fps / probe.fps:,.0f} times; lower it"


def _decoded_alike(record: VideoRecord, item: Known, settings: NumericSettings) -> bool:
    return record.digest == item.digest and (record.clip_length, record.resample_fps, record.via_jpeg or None) == (
        settings.clip_length,
        settings.fps,
        settings.via_jpeg or None,
    )
