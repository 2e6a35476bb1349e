"""Sorts videos into those that are present, skipped, waiting and pending (see plan.py)."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d.cost.pricing import Pricing
from i3d.cost.work import weigh
from i3d.decoding.probe import Probe
from i3d.planning.catalog import UNREAD, Known
from i3d.planning.past import Past
from i3d.planning.skipping import skipped_record, why_too_short_or_unreadable
from i3d.records import journal
from i3d.records.bundles import BundleEntry
from i3d.records.record import DECODING, OK, SKIPPED, VideoRecord
from i3d.snippets import SnippetRule

ASSUMED_FRAMES = 1000  # of a video whose length the catalog could not tell; sizes its bundle only
MOST_COPIES = 100  # of a frame, when a video is resampled


@dataclass(frozen=True)
class Waiting:
    """A finished feature that is not in its place: where it lies, and the record of it there."""

    source: Path
    record: VideoRecord
    moved: bool  # from another place in the features tree


class Sorter:
    """Takes one video after the other; `again` and what it decides are as in `make_plan` and `Plan`."""

    def __init__(
        self,
        past: Past,
        pricing: Pricing,
        settings: dict[str, Any],
        fingerprint: str,
        again: Collection[str] | None,
    ) -> None:
        self.past = past
        self.pricing = pricing
        self.fingerprint = fingerprint
        self.again = again
        self.rule = SnippetRule(settings["clip_length"], settings["frequency"])
        self.fps = settings["fps"]
        self.via_jpeg = settings.get("via_jpeg")
        self.present: dict[str, VideoRecord] = {}
        self.skipped: dict[str, VideoRecord] = {}
        self.waiting: dict[str, Waiting] = {}
        self.pending: list[BundleEntry] = []
        self.last: dict[str, VideoRecord] = {}
        self.strangers: list[str] = []  # files in the place of due features that are not ours
        self.recoloured: set[str] = set()  # videos whose colours an earlier release got wrong
        self._obstacles: dict[Path, str | None] = {}  # by the folder of features that cannot be made

    def video(self, item: Known) -> None:
        """Sort one video in."""
        video, feature = item.file.video, item.file.feature
        records = self.past.records.get(video, [])
        vouching = [record for record in reversed(records) if self._vouches(record, item)]
        wanted_again = self.again is None or feature in self.again
        if not wanted_again:
            for record in vouching:
                if self.past.is_in_place(record):
                    self.present[video] = record
                    return
        if (skipped := self._skipped(item, records)) is not None:
            self.skipped[video] = skipped
            return
        if records:
            self.last[video] = records[-1]
        if not self.past.is_ours(feature, records):
            self.strangers.append(feature)
        if not wanted_again and (waiting := self._waiting(item, vouching)):
            self.waiting[video] = waiting
            return
        frames = item.probe.frames or ASSUMED_FRAMES
        work = self.pricing.work(frames, item.probe)
        weight = weigh(work, self.pricing.known.speeds, self.pricing.machine.decode_threads)
        self.pending.append(
            BundleEntry(
                video=video,
                path=str(item.file.path),
                feature=feature,
                digest=item.digest,
                frames=frames,
                weight=weight,
            )
        )

    def suspects(self, known: Iterable[Known]) -> dict[str, tuple[Known, str]]:
        """Videos whose features an earlier release made, with the decoder that it used."""
        found = {}
        for item in known:
            for record in self.past.records.get(item.file.video, ()):
                if record.decoding < DECODING and record.decoder and self._vouches(record, item):
                    found[item.file.video] = item, record.decoder
        return found

    def _vouches(self, record: VideoRecord, item: Known) -> bool:
        return (
            not (record.decoding < DECODING and item.file.video in self.recoloured)
            and record.status == OK
            and item.digest != UNREAD
            and record.fits(item.digest, self.fingerprint)
            and record.feature_file == item.file.feature
        )

    def _skipped(self, item: Known, records: Iterable[VideoRecord]) -> VideoRecord | None:
        """The record of a video to skip, by the catalog or by what a run found while decoding; None to take it."""
        reason = (
            why_too_short_or_unreadable(item.probe, self.rule)
            or self._why_no_place(item.file.feature)
            or self._why_not_resampled(item.probe)
        )
        if reason is not None:
            return skipped_record(item.file.video, item.probe, reason)
        alike = [record for record in records if self._decoded_alike(record, item)]
        return alike[-1] if alike and alike[-1].status == SKIPPED else None

    def _why_no_place(self, feature: str) -> str | None:
        """Why a feature cannot be put in its place, None if it can."""
        path = self.past.work.features / feature
        if path.is_dir():
            return f"there is a folder in the place of its feature file {path}; move it away"
        folder = path.parent
        if folder not in self._obstacles:
            above = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
            self._obstacles[folder] = None if above.is_dir() else f"{above} is no folder, and must be one; move it away"
        return self._obstacles[folder]

    def _why_not_resampled(self, probe: Probe) -> str | None:
        """Why resampling a video would make more of it than anybody can want, None if not."""
        if not (self.fps and probe.fps) or self.fps <= MOST_COPIES * probe.fps:
            return None
        return f"`fps: {self.fps:g}` would show each of its frames {self.fps / probe.fps:,.0f} times; lower it"

    def _decoded_alike(self, record: VideoRecord, item: Known) -> bool:
        return record.digest == item.digest and (record.clip_length, record.resample_fps, record.via_jpeg) == (
            self.rule.clip_length,
            self.fps,
            self.via_jpeg,
        )

    def _waiting(self, item: Known, vouching: Iterable[VideoRecord]) -> Waiting | None:
        """The finished feature of a video that is not in its place."""
        staged = self.past.work.staging / item.file.feature
        for record in vouching:
            if journal.is_of(record, staged):
                return Waiting(staged, record, moved=False)
        moved = self.past.left_behind(item.digest, self.fingerprint) if item.digest != UNREAD else None
        if moved is not None:
            return Waiting(self.past.work.features / moved.feature_file, moved, moved=True)
        return None
