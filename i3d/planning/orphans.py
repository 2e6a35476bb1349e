"""Features without a video, and which of them may be deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from i3d import commands
from i3d.errors import UserError
from i3d.paths import is_below
from i3d.planning.missing_videos import MissingVideos
from i3d.planning.plan import PlanFile
from i3d.quantities import count, named
from i3d.records import journal
from i3d.records.record import OK, ORPHANED
from i3d.records.work_folder import WorkFolder


@dataclass
class Orphans:
    """Feature files that may be deleted, by video, and others to keep, with the reason."""

    removable: dict[str, Path] = field(default_factory=dict)
    kept: dict[Path, str] = field(default_factory=dict)


def find_orphans(plan: PlanFile, work: WorkFolder, *, of_other_settings: bool = False) -> Orphans:
    """Return the orphaned and the stale features of a plan, checked once more.

    A video may be skipped only because of this call's settings: stale features of others are kept, unless wanted.
    """
    orphans = Orphans()
    gone = {video: record for video, record in plan.elsewhere.items() if record.status == ORPHANED}
    for video, record in (gone | plan.stale).items():
        feature = work.features / record.feature_file
        if video in plan.stale and record.fingerprint != plan.fingerprint and not of_other_settings:
            orphans.kept[feature] = f"made under other settings; {command('other_settings')} removes it"
        elif not is_below(feature, work.features):
            orphans.kept[feature] = "a link leads out of the features tree; remove it yourself"
        elif not journal.is_of(record, feature):
            orphans.kept[feature] = "it is no longer the file that was recorded"
        else:
            orphans.removable[video] = feature
    return orphans


def command(orphaned: str) -> str:
    """The command that removes what this value of the setting `orphaned` allows."""
    return commands.snakemake("orphaned", config={"orphaned": orphaned})


def refuse_too_many(plan: PlanFile, videos: Path, removable: Mapping[str, Path]) -> None:
    """Raise UserError if so much is gone that a disk may not be mounted, or 'videos' may be wrong."""
    advice = f"check whether a disk is not mounted; if they are really gone, run {command('all')}"
    missing = MissingVideos(videos)
    blank = {str(folder) for video in removable if (folder := missing.blank(video)) is not None}
    if blank:
        raise UserError(
            f"orphaned: {named(sorted(blank))} is gone or empty, or cannot be read, but features of its videos still "
            f"exist; {advice}"
        )
    present = len(plan.features) + sum(record.status == OK for record in plan.elsewhere.values())
    if len(removable) > present:
        raise UserError(
            f"orphaned: {count(len(removable), 'feature')} would be removed, and only {present:,} would stay; {advice}"
        )
