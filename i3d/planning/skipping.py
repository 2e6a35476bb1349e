"""What is said of videos that are skipped without decoding them."""

from i3d.decoding.probe import Probe
from i3d.records.record import SKIPPED, VideoRecord
from i3d.snippets import SnippetRule


def why_too_short_or_unreadable(probe: Probe, rule: SnippetRule) -> str | None:
    """Why a video with this probe is skipped, None if it is not."""
    if probe.reason is not None:
        return f"unreadable: {probe.reason}"
    if probe.exact and probe.frames is not None and rule.is_too_short(probe.frames):
        return rule.why_too_short(probe.frames)
    return None


def skipped_record(video: str, probe: Probe, reason: str) -> VideoRecord:
    """What the tables say of a video that was skipped without decoding it."""
    return VideoRecord(
        video=video,
        status=SKIPPED,
        reason=reason,
        frames_declared=probe.frames,
        fps=probe.fps,
        width=probe.width,
        height=probe.height,
    )
