"""What earlier runs left: their records, and the features these vouch for."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from i3d.planning.catalog import Catalog
from i3d.planning.skipping import skipped_record, why_too_short_or_unreadable
from i3d.records import journal
from i3d.records.record import OK, ORPHANED, VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.snippets import SnippetRule

ORPHAN_REASON = "its video is gone; `snakemake --cores 1 orphaned` removes the feature"


class Past:
    """The records of a features tree, looked at beside the videos that are now `in_tree`, with their digests.

    `trees` are the names of the videos tree; records of others stand for features that are to be left alone.
    """

    def __init__(
        self,
        work: WorkFolder,
        catalog: Catalog,
        videos: Path,
        in_tree: Mapping[str, str],
        records: Mapping[str, list[VideoRecord]],
        trees: Collection[str],
    ) -> None:
        self.work = work
        self.records = records
        self._catalog = catalog
        self._videos = videos
        self._in_tree = in_tree
        self._trees = trees
        self._taken: set[str] = set()  # features that move with their video
        self._tops: dict[str, bool] = {}  # whether a folder at the top of the videos holds anything

    def is_in_place(self, record: VideoRecord) -> bool:
        """Whether a record's feature file is where it belongs, and the one that was written."""
        name = record.feature_file
        return journal.is_of(record, self.work.features / name, lambda path: self._catalog.sha256_of(path, name))

    def is_ours(self, feature: str, records: Iterable[VideoRecord]) -> bool:
        """Whether the file in a feature's place is nothing that must be kept: one that we wrote, an empty one, none."""
        place = self.work.features / feature
        try:
            if not place.stat().st_size:
                return True
        except OSError:
            return True
        return any(record.feature_file == feature and self.is_in_place(record) for record in records)

    def held_by_another_tree(self, video: str, digest: str) -> bool:
        """Whether the place of this video's feature belongs to a video of another tree, with other content."""
        return any(
            record.tree not in self._trees and record.digest != digest and self.is_in_place(record)
            for record in self.records.get(video, ())
            if record.status == OK
        )

    def left_behind(self, digest: str, fingerprint: str) -> VideoRecord | None:
        """The record of a feature of a video with this content that is no longer where it was; each is given once."""
        for record in self._left_behind.get(digest, ()):
            if record.feature_file not in self._taken and record.fingerprint == fingerprint:
                self._taken.add(record.feature_file)
                return record
        return None

    def elsewhere(self, rule: SnippetRule) -> dict[str, VideoRecord]:
        """What is known of videos outside this run's subsets, and of features whose video is gone."""
        found: dict[str, VideoRecord] = {}
        for video, records in self.records.items():
            if video in self._in_tree:
                continue
            with_feature = next(
                (each for each in reversed(records) if each.status == OK and self.is_in_place(each)), None
            )
            if not self._is_gone(video) or records[-1].tree not in self._trees:
                newest = with_feature or records[-1]
                if newest.status != OK or with_feature:
                    found[video] = newest
            elif with_feature and with_feature.feature_file not in self._taken:
                found[video] = msgspec.structs.replace(with_feature, status=ORPHANED, reason=ORPHAN_REASON)
        for video, entry in self._catalog.videos.items():
            if video not in self._in_tree and video not in found and not self._is_gone(video):
                reason = why_too_short_or_unreadable(entry.probe, rule)
                if reason is not None:
                    found[video] = skipped_record(video, entry.probe, reason)
        return dict(sorted(found.items()))

    def _is_gone(self, video: str) -> bool:
        return video not in self._in_tree and not os.path.lexists(self._videos / video)

    def has_top_of(self, video: str) -> bool:
        """Whether the folder at the top of the videos tree that holds a video, or held it, is there and not empty.

        One that is not may be a disk that is not mounted.
        """
        top = video.partition("/")[0] if "/" in video else "."
        if top not in self._tops:
            try:
                self._tops[top] = any((self._videos / top).iterdir())
            except OSError:
                self._tops[top] = False
        return self._tops[top]

    @cached_property
    def _left_behind(self) -> dict[str, list[VideoRecord]]:
        """By the video's content, records of features whose video is no longer where it was."""
        gone: dict[str, list[VideoRecord]] = defaultdict(list)  # by the folder at the top
        for video, records in self.records.items():
            if self._is_gone(video):
                ours = [each for each in reversed(records) if each.status == OK and each.tree in self._trees]
                gone[video.partition("/")[0]] += filter(self.is_in_place, ours)
        here = set(self._in_tree.values())
        found: dict[str, list[VideoRecord]] = defaultdict(list)
        for records in gone.values():
            # A folder that is gone as a whole was renamed if most of its videos are elsewhere now.
            renamed = 2 * sum(record.digest in here for record in records) > len(records)
            for record in records:
                if renamed or self.has_top_of(record.video):
                    found[record.digest].append(record)
        return found
