"""The end of a run: finished features into their places, the tables, a tidy work folder."""

import shutil
from pathlib import Path

import msgspec

from i3d.files import PART_NAME
from i3d.paths import feature_of
from i3d.planning.catalog import Catalog
from i3d.planning.plan import PlanFile
from i3d.records import journal
from i3d.records.record import FAILED, OK, SKIPPED, VideoRecord
from i3d.records.work_folder import WorkFolder

NOT_DONE = "not done: the job of its bundle did not finish, see its log; the next run takes it up"


def run_records(plan: PlanFile, work: WorkFolder) -> dict[str, VideoRecord]:
    """What became of each of the run's videos, by its path under the videos tree, in order.

    Features that are finished and not in their place, as after a failure, are moved there; what finds no place stays
    staged and counts as failed.
    """
    journals = journal.read_all(work)
    catalog = Catalog(work.catalog)
    records = dict(plan.skipped)
    for video, feature in plan.features.items():
        records[video] = _record(plan, work, catalog, video, feature, journals.get(video, []))
    catalog.save()
    return dict(sorted(records.items()))


def _record(
    plan: PlanFile, work: WorkFolder, catalog: Catalog, video: str, feature: str, records: list[VideoRecord]
) -> VideoRecord:
    place, staged = work.features / feature, work.staging / feature
    ours = [each for each in reversed(records) if each.fingerprint == plan.fingerprint]
    for record in ours:
        if record.status != OK or record.feature_file != feature:
            continue
        if journal.is_of(record, staged):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)
            except OSError as error:
                return _failed(record, f"cannot write {place}: {error.strerror}")
        if journal.is_of(record, place, lambda path: catalog.sha256_of(path, feature)):
            return record
    of_bundle = [each for each in ours if each.bundle == plan.pending.get(video) and each.status != OK]
    if not of_bundle:
        return VideoRecord(video=video, status=FAILED, reason=NOT_DONE)
    if of_bundle[0].status == SKIPPED:
        _remove_placeholder(place)
    return of_bundle[0]


def _failed(record: VideoRecord, reason: str) -> VideoRecord:
    return msgspec.structs.replace(record, status=FAILED, reason=reason, feature_file="")


def remove_placeholders(plan: PlanFile, work: WorkFolder) -> None:
    """Remove the empty files that stood in for features of videos found too short or unreadable while decoding."""
    for record in plan.skipped.values():
        _remove_placeholder(work.features / feature_of(record.video))


def _remove_placeholder(place: Path) -> None:
    try:
        if place.is_file() and place.stat().st_size == 0:
            place.unlink()
    except OSError:
        return


def tidy(work: WorkFolder, plan_path: Path, plan: PlanFile, *, keep_frames: bool, keep_staging: bool) -> None:
    """Remove what this run and broken ones before it left in the work folder.

    There stay the catalog, the lock, the journals, this run's plan, and for each bundle its file and the mark that it
    is extracted, from which Snakemake draws graphs and summaries; after a failure also the staging tree, if a bundle
    is not finished or `keep_staging` asks for it.
    """
    bundles = set(plan.pending.values())
    unfinished = {bundle for bundle in bundles if not (work.extracted / bundle).exists()}
    for path in work.plans.glob("*.json"):
        if path != plan_path:
            path.unlink(missing_ok=True)
    for path in work.bundles.glob("*.json"):
        if path.stem not in unfinished and not (work.extracted / path.stem).exists():
            path.unlink(missing_ok=True)
    for folder in (work.root, work.plans, work.bundles, work.features):
        for path in folder.glob(".*.part"):
            if PART_NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
    for leftover in (work.progress, *([] if keep_frames else [work.frames])):
        shutil.rmtree(leftover, ignore_errors=True)
    if not (unfinished or keep_staging):
        shutil.rmtree(work.staging, ignore_errors=True)
