"""What earlier runs left: their records, and the features that match them."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from i3d.planning.catalog import UNREAD, Catalog, Known
from i3d.planning.decide import Evidence, Waiting, skipped_record, why_too_short_or_unreadable
from i3d.planning.missing_videos import MissingVideos
from i3d.planning.permissions import first_closed, refuse_unreadable
from i3d.records import journal
from i3d.records.record import OK, ORPHANED, VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.snippets import SnippetRule

ORPHAN_REASON = "its video is gone; the target `orphaned` removes the feature"


class EarlierRuns:
    """The records of a features tree, compared with the videos that exist now.

    `digests` are the contents of the present videos, by path. `trees` are the names of the videos tree: features of
    other trees are left alone.
    """

    def __init__(
        self,
        work: WorkFolder,
        catalog: Catalog,
        videos: Path,
        digests: Mapping[str, str],
        records: Mapping[str, list[VideoRecord]],
        trees: set[str],
    ) -> None:
        self.work = work
        self.records = records
        self._catalog = catalog
        self._missing = MissingVideos(videos)
        self._digests = digests
        self.trees = trees
        self._taken: set[str] = set()  # features that move with their video
        self._obstacles: dict[Path, str | None] = {}  # by folder of features

    def evidence(self, item: Known, fingerprint: str, *, again: bool) -> Evidence:
        """Collect what is known of a video under settings with this fingerprint; `again`: it is to be made anew."""
        feature = item.file.feature
        records = self.records.get(item.file.video, [])
        fitting = [
            record
            for record in reversed(records)
            if record.status == OK
            and item.digest != UNREAD
            and record.fits(item.digest, fingerprint)
            and record.feature_file == feature
        ]
        in_place = next(filter(self.is_in_place, fitting), None)
        if in_place is not None and not again:
            return Evidence(records, present=in_place)
        others = (each for each in reversed(records) if each.status == OK and each not in fitting)
        return Evidence(
            records,
            waiting=None if again else self._waiting(item, fitting, fingerprint),
            replaces=in_place or next(filter(self.is_in_place, others), None),
            stranger=not self._is_ours(feature, records),
            obstacle=self._obstacle(feature),
        )

    def is_in_place(self, record: VideoRecord) -> bool:
        """Whether a record's feature is in its place, unchanged. Raises UserError if this user may not read it."""
        name = record.feature_file
        place = self.work.features / name
        if journal.is_of(record, place, lambda path: self._catalog.sha256_of(path, name)):
            return True
        refuse_unreadable(place, record.feature_size, self.work)
        return False

    def held_by_another_tree(self, item: Known) -> bool:
        """Whether the place of this video's feature belongs to a video of another tree, with other content."""
        return any(
            record.tree not in self.trees and record.digest != item.digest and self.is_in_place(record)
            for record in self.records.get(item.file.video, ())
            if record.status == OK
        )

    def is_taken(self, record: VideoRecord) -> bool:
        """Whether a record's feature is to move with its video, as far as the present videos have been looked at."""
        return record.feature_file in self._taken

    def elsewhere(self, rule: SnippetRule) -> dict[str, VideoRecord]:
        """Return records of videos outside this run's subsets or out of reach, and of features whose video is gone."""
        others: dict[str, VideoRecord] = {}
        for video, records in self.records.items():
            if video in self._digests:
                continue
            with_feature = next(
                (each for each in reversed(records) if each.status == OK and self.is_in_place(each)), None
            )
            if with_feature and self.is_taken(with_feature):
                continue
            if not self._missing.is_gone(video) or records[-1].tree not in self.trees:
                newest = with_feature or records[-1]
                if newest.status != OK or with_feature:
                    others[video] = newest
            elif with_feature:
                others[video] = msgspec.structs.replace(with_feature, status=ORPHANED, reason=ORPHAN_REASON)
        for video, entry in self._catalog.videos.items():
            if video not in self._digests and video not in others and not self._missing.is_gone(video):
                reason = why_too_short_or_unreadable(entry.probe, rule)
                if reason is not None:
                    others[video] = skipped_record(video, entry.probe, reason)
        return dict(sorted(others.items()))

    def _is_ours(self, feature: str, records: Iterable[VideoRecord]) -> bool:
        """Whether the file in a feature's place may be replaced: there is none, it is empty, or we wrote it."""
        try:
            if not (self.work.features / feature).stat().st_size:
                return True
        except OSError:
            return True
        return any(record.feature_file == feature and self.is_in_place(record) for record in records)

    def _waiting(self, item: Known, fitting: Iterable[VideoRecord], fingerprint: str) -> Waiting | None:
        staged = self.work.staging / item.file.feature
        for record in fitting:
            if journal.is_of(record, staged):
                return Waiting(staged, record, moved=False)
        for record in self._left_behind.get(item.digest, ()):
            if not self.is_taken(record) and record.fingerprint == fingerprint:
                self._taken.add(record.feature_file)
                return Waiting(self.work.features / record.feature_file, record, moved=True)
        return None

    def _obstacle(self, feature: str) -> str | None:
        path = self.work.features / feature
        try:
            is_folder = path.is_dir()
        except PermissionError:
            return f"you may not enter {first_closed(path)}, where its feature file would be; let its owner change that"
        if is_folder:
            return f"there is a folder in the place of its feature file {path}; move it away"
        folder = path.parent
        if folder not in self._obstacles:
            above = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
            self._obstacles[folder] = None if above.is_dir() else f"{above} is no folder, and must be one; move it away"
        return self._obstacles[folder]

    @cached_property
    def _left_behind(self) -> dict[str, list[VideoRecord]]:
        """Records of features whose video is no longer in its place, where another may be, by the video's content."""
        missing: dict[Path | None, list[VideoRecord]] = defaultdict(list)  # by the blank folder that may hold the video
        for video, records in self.records.items():
            digest = self._digests.get(video)
            if digest == UNREAD or (digest is None and not self._missing.is_missing(video)):
                continue
            ours = [each for each in reversed(records) if each.status == OK and each.tree in self.trees]
            folder = None if digest is not None else self._missing.blank(video)
            missing[folder] += (each for each in ours if each.digest != digest and self.is_in_place(each))
        here = set(self._digests.values()) - {UNREAD}
        by_content: dict[str, list[VideoRecord]] = defaultdict(list)
        for folder, records in missing.items():
            # The videos of a blank folder were moved if most of them are elsewhere now.
            if folder is None or 2 * sum(record.digest in here for record in records) > len(records):
                for record in records:
                    by_content[record.digest].append(record)
        return by_content
