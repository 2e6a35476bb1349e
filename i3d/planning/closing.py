"""The end of a run: finished features into their places, what became of each video, a tidy work folder."""

import shutil
from pathlib import Path

import msgspec

from i3d.files import PART_NAME, move, read_file
from i3d.paths import features_of
from i3d.planning.catalog import Catalog
from i3d.planning.plan import PlanFile
from i3d.records import journal
from i3d.records.record import FAILED, NOT_DONE, OK, SKIPPED, VideoRecord, as_planned, settings_differences
from i3d.records.work_folder import WorkFolder
from i3d.results.run_summary import Account

NOT_DONE_REASON = "not done: its bundle did not finish; the next run takes it up"


def close(plan: PlanFile, work: WorkFolder) -> Account:
    """Bring features that are finished and not in their place there, as after a failure, and account for all videos.

    What finds no place stays staged and counts as failed.
    """
    journals = journal.read_all(work)
    catalog = Catalog(work.catalog)
    account = Account(dict(plan.skipped))
    for video, feature in plan.features.items():
        _Video(plan, work, catalog, video, feature, journals.get(video, [])).account(account)
    catalog.save()
    account.rows = dict(sorted(account.rows.items()))
    return account


class _Video:
    """One video at the end of a run."""

    def __init__(
        self,
        plan: PlanFile,
        work: WorkFolder,
        catalog: Catalog,
        video: str,
        feature: str,
        records: list[VideoRecord],
    ) -> None:
        self._plan, self._catalog, self._work = plan, catalog, work
        self._video, self._feature = video, feature
        self._place, self._staged = work.features / feature, work.staging / feature
        self._records = records
        self._pending = plan.pending.get(video)
        of_run = [each for each in records if self._pending is not None and each.bundle == self._pending.bundle]
        self._of_run = of_run[-1] if of_run else None  # what this run recorded last

    def account(self, account: Account) -> None:
        """Add the video to the account."""
        obstacle = self._put_in_place()
        in_place = self._in_place()
        trouble = None
        if self._pending is None:
            if self._video in self._plan.waiting and in_place is not None:
                account.moved.append(self._video)
        elif self._of_run is None and in_place is not None and self._is_as_wanted(in_place):
            account.kept.append(self._video)
        elif self._of_run is None:
            trouble = account.not_done[self._video] = self._why_not_done()
        elif self._of_run.status == OK and in_place is not None and in_place.bundle == self._of_run.bundle:
            account.made.append(self._video)
        elif self._of_run.status != SKIPPED:
            trouble = account.failed[self._video] = self._of_run.reason or obstacle or "its feature is gone"
        account.rows[self._video] = self._row(in_place, trouble or obstacle)

    def _why_not_done(self) -> str:
        """As the run noted it when the job of the bundle died."""
        assert self._pending is not None
        try:
            died = read_file(self._work.died_of(self._pending.bundle)).decode(errors="replace").strip()
        except OSError:
            return NOT_DONE_REASON
        return f"not done: {died}; the next run takes it up"

    def _put_in_place(self) -> str | None:
        """Move the feature from the staging tree; returns why that cannot be done."""
        for record in reversed(self._records):
            ours = record.status == OK and record.fingerprint == self._plan.fingerprint
            if ours and record.feature_file == self._feature and journal.is_of(record, self._staged):
                try:
                    move(self._staged, self._place)
                except OSError as error:
                    return f"cannot write {self._place}: {error.strerror}"
                return None
        return None

    def _in_place(self) -> VideoRecord | None:
        """The record of the feature that is in place, those under this run's settings first."""
        found = [each for each in reversed(self._records) if each.status == OK and each.feature_file == self._feature]
        found.sort(key=lambda record: record.fingerprint != self._plan.fingerprint)
        return next((each for each in found if self._is_in_place(each)), None)

    def _is_in_place(self, record: VideoRecord) -> bool:
        return journal.is_of(record, self._place, lambda path: self._catalog.sha256_of(path, self._feature))

    def _is_as_wanted(self, record: VideoRecord) -> bool:
        return self._pending is not None and record.fits(self._pending.digest, self._plan.fingerprint)

    def _row(self, in_place: VideoRecord | None, trouble: str | None) -> VideoRecord:
        """What the table says: of the feature that is there, or why there is none."""
        if self._of_run is not None and self._of_run.status == SKIPPED:
            remove_placeholder(self._place)
            return self._of_run
        if in_place is None:
            return self._without_feature(trouble)
        if self._pending is not None and in_place.digest != self._pending.digest:
            earlier = f"the feature in place is of the video's earlier content; {trouble or NOT_DONE_REASON}"
            return msgspec.structs.replace(self._without_feature(trouble), reason=earlier)
        notes = [trouble] if trouble else []
        if in_place.fingerprint != self._plan.fingerprint:
            now = as_planned(self._plan.settings)
            notes.insert(0, f"made under other settings: {'; '.join(settings_differences(in_place, now))}")
        return msgspec.structs.replace(in_place, reason="; ".join(notes)) if notes else in_place

    def _without_feature(self, trouble: str | None) -> VideoRecord:
        if self._of_run is not None:
            reason = self._of_run.reason or trouble
            return msgspec.structs.replace(self._of_run, status=FAILED, reason=reason, feature_file="")
        if self._pending is None:
            return VideoRecord(video=self._video, status=FAILED, reason=trouble or "its feature is gone")
        probe = self._pending.probe
        return VideoRecord(
            video=self._video,
            status=NOT_DONE,
            reason=trouble or NOT_DONE_REASON,
            frames_declared=probe.frames,
            fps=probe.fps,
            width=probe.width,
            height=probe.height,
        )


def remove_placeholders(plan: PlanFile, work: WorkFolder) -> None:
    """Remove the empty files that stood in for features of videos found too short or unreadable while decoding."""
    for record in plan.skipped.values():
        for feature in features_of(record.video):
            remove_placeholder(work.features / feature)


def remove_placeholder(place: Path) -> None:
    """Remove the empty file that stood in for a feature; anything else stays."""
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
    bundles = {pending.bundle for pending in plan.pending.values()}
    unfinished = {bundle for bundle in bundles if not (work.extracted / bundle).exists()}
    for path in work.plans.glob("*.json"):
        if path != plan_path:
            path.unlink(missing_ok=True)
    for path in work.bundles.glob("*.json"):
        if path.stem not in unfinished and not (work.extracted / path.stem).exists():
            path.unlink(missing_ok=True)
    for path in work.died.glob("*.txt"):
        if path.stem not in unfinished:
            path.unlink(missing_ok=True)
    for folder in (work.root, work.plans, work.bundles, work.features):
        for path in folder.glob(".*.part"):
            if PART_NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
    for leftover in (work.progress, *([] if keep_frames else [work.frames])):
        shutil.rmtree(leftover, ignore_errors=True)
    if not (unfinished or keep_staging):
        shutil.rmtree(work.staging, ignore_errors=True)
