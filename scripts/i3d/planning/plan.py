"""The plan: what a run has to do, decided once, in the main process, before any job starts.

A video is `present` when a record vouches for its feature under today's settings, `skipped` when it is known to be too
short or unreadable, and `pending` otherwise. Pending videos are packed into bundles.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from i3d.config import NUMERIC_SETTINGS
from i3d.digests import file_sha256, json_digest
from i3d.errors import UserError
from i3d.planning.bundles import Bundle, new_bundle, pack, write_bundle
from i3d.planning.catalog import Known, find_videos, learn
from i3d.records.outcomes import (
    SKIPPED,
    Checksums,
    Record,
    Work,
    feature_is,
    fits_video,
    read_outcomes,
    too_short,
    unreadable,
    write_atomically,
)
from i3d.results.tables import METADATA, SUMMARY, tables_are_current

RANDOM = "random"  # the value of `weights` that stands for seeded weights
ASSUMED_FRAMES = 1000  # of a video whose length the catalog could not tell; sizes its bundle only


@dataclass(frozen=True)
class Plan:
    """What is to be done. All dictionaries are keyed by a video's path under the videos tree, in that order."""

    settings: dict[str, Any]  # what fixes the numbers, as the bundle files hold it
    fingerprint: str
    videos: dict[str, Known]
    present: dict[str, Record]
    skipped: dict[str, str]  # with the reason
    bundles: list[Bundle]
    work: Work = field(repr=False)

    @cached_property
    def pending(self) -> dict[str, str]:
        """Videos to extract, with the name of their bundle."""
        return {entry["video"]: bundle["name"] for bundle in self.bundles for entry in bundle["videos"]}

    @cached_property
    def by_feature(self) -> dict[str, str]:
        """Feature path without its suffix -> video."""
        return {known.file.feature.removesuffix(".npy"): video for video, known in self.videos.items()}

    def bundle_of(self, feature: str) -> str:
        """The bundle whose outcomes stand for this feature (its path, less `.npy`).

        Raises UserError if no video gives this feature, or its video is skipped.
        """
        video = self.by_feature.get(feature)
        if video is None:
            raise UserError(
                f"{feature}.npy: no video gives this feature; is there one of that name under 'videos' and 'subsets'?"
            )
        if video in self.skipped:
            raise UserError(f"{feature}.npy: {video} is skipped: {self.skipped[video]}")
        return self.pending.get(video) or self.present[video]["bundle"]

    @cached_property
    def catalog(self) -> str:
        """A name for what the tree holds, under today's settings; the tables are due when it changes."""
        return json_digest([self.fingerprint, list(self.videos), self.skipped])

    @cached_property
    def path(self) -> Path:
        """Where `write` puts the plan for the aggregate script. Another plan gets another name, so that a dry run
        beside a real one does not disturb it."""
        name = json_digest([self.catalog, [bundle["name"] for bundle in self.bundles]])
        return self.work.plans / f"{name}.json"

    def targets(self) -> list[Path]:
        """The files a run has to make: pending features, and the tables if there is news for them."""
        features = self.work.root.parent
        due = [features / self.videos[video].file.feature for video in self.pending]
        if due or not tables_are_current(features, self.catalog):
            due += [features / METADATA, features / SUMMARY]
        return due

    def write(self) -> None:
        """Write the bundle files and the plan file that the jobs read."""
        for bundle in self.bundles:
            write_bundle(bundle, self.work.bundles / f"{bundle['name']}.json")
        content = {
            "made": datetime.now(UTC).isoformat(),  # another content, so that Snakemake writes the tables for it
            "settings": self.settings,
            "fingerprint": self.fingerprint,
            "catalog": self.catalog,
            "pending": self.pending,
            "skipped": {video: skipped_record(self.videos[video], reason) for video, reason in self.skipped.items()},
            "features": {video: known.file.feature for video, known in self.videos.items()},
        }
        write_atomically(self.path, json.dumps(content, indent=1))


def make_plan(config: dict[str, Any]) -> Plan:
    """Look at the trees and decide. `config` is complete.

    Raises UserError for what the user must mend before anything can start.
    """
    work = Work.beside(config["features"])
    settings = numeric_settings(config)
    fingerprint = json_digest(settings)
    files = find_videos(Path(config["videos"]), config["extensions"], config["subsets"])
    check_writable(Path(config["features"]))
    known = learn(
        files, work.catalog, clip_length=config["clip_length"], fps=settings["fps"], processes=os.cpu_count() or 1
    )
    records = read_outcomes(work.outcomes)
    checksums = Checksums(work)

    present: dict[str, Record] = {}
    skipped: dict[str, str] = {}
    entries = []
    for item in known:
        video = item.file.video
        record = records.get(video)
        reason = why_skipped(item, record, settings)
        if reason is not None:
            skipped[video] = reason
        elif (
            record is not None
            and fits_video(record, item.digest, fingerprint)
            and feature_is(record, Path(config["features"]) / item.file.feature, checksums.of)
        ):
            present[video] = record
        else:
            entries.append(
                {
                    "video": video,
                    "path": str(item.file.path),
                    "feature": item.file.feature,
                    "digest": item.digest,
                    "frames": item.probe.frames or ASSUMED_FRAMES,
                }
            )
    checksums.save()
    bundles = [new_bundle(settings, fingerprint, group, work) for group in pack(entries, config["bundle_frames"])]
    return Plan(settings, fingerprint, {item.file.video: item for item in known}, present, skipped, bundles, work)


def numeric_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that fix a feature's numbers, the weights by their content."""
    settings = {key: config[key] for key in NUMERIC_SETTINGS}
    settings["fps"] = None if config["fps"] is None else float(config["fps"])
    return settings | {"weights_sha256": weights_digest(config["weights"])}


def weights_digest(weights: str) -> str:
    """SHA-256 of the weights file; `random` for seeded weights. Raises UserError if there is no such file."""
    if weights == RANDOM:
        return RANDOM
    try:
        return file_sha256(Path(weights))
    except OSError as error:
        raise UserError(
            f"weights: cannot read {weights} ({error.strerror}); fetch the published weights with "
            "'snakemake --cores 1 weights' where there is a network, set 'weights' to your file, or try 'random'"
        ) from None


def why_skipped(item: Known, record: Record | None, settings: dict[str, Any]) -> str | None:
    """The reason to skip a video, by the catalog or by what an earlier run found while decoding; None to take it."""
    probe, clip_length = item.probe, settings["clip_length"]
    if probe.reason is not None:
        return unreadable(probe.reason)
    if probe.exact and probe.frames is not None and probe.frames <= clip_length:
        return too_short(probe.frames, clip_length)
    decoded_alike = (
        record is not None
        and record["digest"] == item.digest
        and (record["clip_length"], record["resample_fps"]) == (clip_length, settings["fps"])
    )
    return record["reason"] if record is not None and decoded_alike and record["status"] == SKIPPED else None


def skipped_record(item: Known, reason: str) -> Record:
    """What the tables say of a video that was skipped without decoding it."""
    return {
        "video": item.file.video,
        "feature_file": "",
        "status": SKIPPED,
        "reason": reason,
        "frames_declared": item.probe.frames,
        "fps": item.probe.fps,
        "width": item.probe.width,
        "height": item.probe.height,
    }


def check_writable(features: Path) -> None:
    """Raise UserError if the features tree cannot be made or written."""
    try:
        features.mkdir(parents=True, exist_ok=True)
        writable = os.access(features, os.W_OK | os.X_OK)
    except OSError as error:
        raise UserError(
            f"features: cannot make the folder {features} ({error.strerror}); set 'features' elsewhere"
        ) from None
    if not writable:
        raise UserError(f"features: no right to write in {features}; set 'features' to a folder of yours")
