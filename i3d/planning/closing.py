"""The end of a run: finished features into their places, what became of each video, a tidy work folder."""

import shutil
from contextlib import suppress
from itertools import chain
from pathlib import Path

import msgspec

from i3d.files import PART_NAME, move, read_end
from i3d.paths import features_of
from i3d.planning.catalog import Catalog
from i3d.planning.plan import PlanFile
from i3d.records import journal
from i3d.records.record import FAILED, NOT_DONE, OK, SKIPPED, VideoRecord, as_planned, settings_differences
from i3d.records.work_folder import WorkFolder
from i3d.results.run_summary import Account

NOT_DONE_REASON = "not done: its bundle did not finish; the next run takes it up"
GONE = "its feature is gone"


def close(plan: PlanFile, work: WorkFolder) -> Account:
    """Move finished features into place, as after a failure (or leave them staged), and account for all videos."""
    journals = journal.read_all(work)
    catalog = Catalog(work.catalog)
    account = Account(dict(plan.skipped))
    for video in plan.features:
        _Video(plan, work, catalog, video, journals.get(video, [])).add_to(account)
    catalog.save()
    account.rows = dict(sorted(account.rows.items()))
    return account


class _Video:
    """A video at the end of a run."""

    def __init__(
        self, plan: PlanFile, work: WorkFolder, catalog: Catalog, video: str, records: list[VideoRecord]
    ) -> None:
        self._plan, self._work, self._catalog = plan, work, catalog
        self._video, self._feature = video, plan.features[video]
        self._place, self._staged = work.features / self._feature, work.staging / self._feature
        self._records = records
        self._pending = pending = plan.pending.get(video)
        of_run = [each for each in records if pending is not None and each.bundle == pending.bundle]
        self._of_run = of_run[-1] if of_run else None  # this run's last record

    def add_to(self, account: Account) -> None:
        """Put the feature in place, and add the video to the account."""
        obstacle = self._put_in_place()
        in_place = self._in_place()
        trouble = None
        if self._pending is None:
            if self._video in self._plan.waiting and in_place is not None:
                account.moved.append(self._video)
        elif self._of_run is None:
            if in_place is not None and in_place.fits(self._pending.digest, self._plan.fingerprint):
                account.kept.append(self._video)
            else:
                trouble = account.not_done[self._video] = self._why_not_done(self._pending.bundle)
        elif self._of_run.status == OK and in_place is not None and in_place.bundle == self._of_run.bundle:
            account.made.append(self._video)
        elif self._of_run.status != SKIPPED:
            trouble = account.failed[self._video] = self._of_run.reason or obstacle or GONE
        account.rows[self._video] = self._row(in_place, trouble or obstacle)

    def _put_in_place(self) -> str | None:
        """Move the feature from the staging tree; return why that cannot be done."""
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
        """Return the record of the feature in place, preferably one under this run's settings."""
        fitting = [each for each in reversed(self._records) if each.status == OK and each.feature_file == self._feature]
        fitting.sort(key=lambda record: record.fingerprint != self._plan.fingerprint)
        return next((each for each in fitting if journal.is_of(each, self._place, self._sha256)), None)

    def _sha256(self, path: Path) -> str:
        return self._catalog.sha256_of(path, self._feature)

    def _why_not_done(self, bundle: str) -> str:
        """Return the reason that the run noted if the bundle's job died, or else the general one."""
        death = read_end(self._work.died_of(bundle)).strip()
        return f"not done: {death}; the next run takes it up" if death else NOT_DONE_REASON

    def _row(self, in_place: VideoRecord | None, trouble: str | None) -> VideoRecord:
        """Return the video's row in the table: of the feature in place, or why there is none."""
        if self._of_run is not None and self._of_run.status == SKIPPED:
            _remove_placeholder(self._place)
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
            return VideoRecord(video=self._video, status=FAILED, reason=trouble or GONE)
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
            _remove_placeholder(work.features / feature)


def _remove_placeholder(place: Path) -> None:
    with suppress(OSError):
        if place.is_file() and place.stat().st_size == 0:
            place.unlink()


def tidy(work: WorkFolder, plan_path: Path, plan: PlanFile, *, keep_frames: bool, keep_staging: bool) -> None:
    """Remove what this run and earlier broken ones left in the work folder.

    The catalog, the lock, the journals and this run's plan stay; so do each bundle's file and its mark of extraction,
    from which Snakemake draws graphs and summaries. The staging tree stays if a bundle is unfinished or `keep_staging`
    is set.
    """
    bundles = {pending.bundle for pending in plan.pending.values()}
    unfinished = {bundle for bundle in bundles if not (work.extracted / bundle).exists()}
    parts = chain(*(folder.glob(".*.part") for folder in (work.root, work.plans, work.bundles, work.features)))
    leftovers = [
        *(path for path in work.plans.glob("*.json") if path != plan_path),
        *(
            path
            for path in work.bundles.glob("*.json")
            if path.stem not in unfinished and not (work.extracted / path.stem).exists()
        ),
        *(path for path in work.died.glob("*.txt") if path.stem not in unfinished),
        *(path for path in parts if PART_NAME.fullmatch(path.name)),
    ]
    for path in leftovers:
        path.unlink(missing_ok=True)
    for folder in (work.progress, *([] if keep_frames else [work.frames])):
        shutil.rmtree(folder, ignore_errors=True)
    if not (unfinished or keep_staging):
        shutil.rmtree(work.staging, ignore_errors=True)
