"""The plan: what a run has to do, decided once, in the main process, before any job starts.

A video is
- `present` when a record vouches for its feature under today's settings,
- `skipped` when it cannot be taken, or is known to be too short or unreadable,
- `waiting` when its feature is finished and only has to be moved into place: from the staging tree, where a broken run
  left it, or from where the video lay before it was moved or renamed,
- `pending` otherwise. Pending videos are packed into bundles.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from i3d.config import NUMERIC_SETTINGS
from i3d.cost.pricing import Machine, Pricing
from i3d.decoding.probe import Probe
from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.files import keep_aside, write_atomically, writing
from i3d.paths import feature_of, is_clean
from i3d.planning.catalog import Catalog, Known, processes
from i3d.planning.past import Past
from i3d.planning.skipping import skipped_record
from i3d.planning.sorter import Sorter, Waiting
from i3d.planning.tree import find_videos
from i3d.planning.weights_check import weights_digest
from i3d.planning.whose import own_trees, videos_name, write_names
from i3d.quantities import named
from i3d.records import journal
from i3d.records.bundles import Bundle, new_bundle, pack, write_bundle
from i3d.records.record import ORPHANED, SKIPPED, VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.results.run_summary import tables_are_current


class PlanFile(msgspec.Struct, kw_only=True):
    """What the aggregate script needs to know of a run. Videos by their path under the videos tree."""

    made: str  # ISO 8601: no two runs have the same file, so that Snakemake writes the tables for each
    settings: dict[str, Any]
    fingerprint: str
    pending: dict[str, str]  # with the name of the bundle
    waiting: list[str]
    features: dict[str, str]  # of all videos but skipped ones, the feature's path under the features tree
    skipped: dict[str, VideoRecord]
    elsewhere: dict[str, VideoRecord]  # videos outside this run's subsets, and orphaned features


def read_plan(path: Path) -> PlanFile:
    """Read a plan file. Raises UserError if it is missing or damaged."""
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=PlanFile)
        records = [*plan.skipped.values(), *plan.elsewhere.values()]
        if not all(feature_of(video) == feature for video, feature in plan.features.items()):
            raise ValueError("a feature is not its video's")
        if not all(map(is_clean, plan.features)) or not all(record.is_sound for record in records):
            raise ValueError("it holds a path that leads elsewhere")
        return plan
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise UserError(f"{path}: not a readable plan file ({error}); run snakemake again, it writes it") from None


@dataclass(frozen=True)
class Plan:
    """What is to be done. All dictionaries are keyed by a video's path under the videos tree, in that order."""

    settings: dict[str, Any]  # what fixes the numbers, as the bundle files hold it
    fingerprint: str
    videos: dict[str, Known]  # all that can be taken, skipped or not
    present: dict[str, VideoRecord]
    skipped: dict[str, VideoRecord]
    waiting: dict[str, Waiting]
    bundles: list[Bundle]
    last: dict[str, VideoRecord]  # the newest record of each video that is not present
    elsewhere: dict[str, VideoRecord]  # outside this run's subsets, and orphaned features
    videos_tree: str  # as records name it
    trees: set[str]  # all its names, former ones too
    strangers: list[str]  # files in the place of due features that this workflow did not write
    pricing: Pricing = field(repr=False)
    work: WorkFolder = field(repr=False)

    @cached_property
    def pending(self) -> dict[str, str]:
        """Videos to extract, with the name of their bundle."""
        return {entry.video: bundle.name for bundle in self.bundles for entry in bundle.videos}

    @cached_property
    def orphaned(self) -> dict[str, VideoRecord]:
        """Features whose video is gone."""
        return {video: record for video, record in self.elsewhere.items() if record.status == ORPHANED}

    @cached_property
    def by_feature(self) -> dict[str, str]:
        """Path of a feature file under the features tree -> video."""
        return {known.file.feature: video for video, known in self.videos.items()}

    def video_of(self, feature: str) -> str:
        """The video that gives this feature file. Raises UserError if none does, or if it is skipped."""
        video = self.by_feature.get(feature)
        if video is None:
            raise UserError(
                f"{feature}: no video gives this feature; is there one of that name under 'videos' and 'subsets'?"
            )
        if video in self.skipped:
            raise UserError(f"{feature}: {video} is skipped: {self.skipped[video].reason}")
        return video

    def bundle_of(self, feature: str) -> str | None:
        """The bundle that makes this feature, or made it, if Snakemake can still be told so; None if there is none.

        Raises as `video_of`.
        """
        video = self.video_of(feature)
        if video in self.present:
            made_by = self.present[video].bundle or ""
            known = self.work.bundle(made_by).exists() and (self.work.extracted / made_by).exists()
            return made_by if known else None
        return self.pending.get(video)

    @cached_property
    def tree(self) -> str:
        """A name for what the tables tell of the trees, under today's settings; they are due when it changes."""
        return tree_name(self.fingerprint, self.videos, self.skipped | self.elsewhere)

    @cached_property
    def path(self) -> Path:
        """Where `write` puts the plan for the aggregate script. Another plan gets another name, so that a dry run
        beside a real one does not disturb it."""
        name = json_digest([self.tree, [bundle.name for bundle in self.bundles], list(self.waiting)])
        return self.work.plans / f"{name}.json"

    @cached_property
    def due(self) -> list[str]:
        """Videos whose features a run has to make or to move."""
        return sorted([*self.waiting, *self.pending])

    @cached_property
    def is_due(self) -> bool:
        """Whether a run has anything to do: features, or tables that do not tell what the trees hold."""
        return bool(self.due) or not tables_are_current(self.work.features, self.tree)

    def write(self) -> None:
        """Write the bundle files and the plan file that the jobs read, and the videos tree's names."""
        write_names(self.work, self.trees)
        for bundle in self.bundles:
            write_bundle(bundle, self.work.bundle(bundle.name))
        content = PlanFile(
            made=datetime.now(UTC).isoformat(),
            settings=self.settings,
            fingerprint=self.fingerprint,
            pending=self.pending,
            waiting=list(self.waiting),
            features={video: known.file.feature for video, known in self.videos.items() if video not in self.skipped},
            skipped=self.skipped,
            elsewhere=self.elsewhere,
        )
        write_atomically(self.path, msgspec.json.encode(content))

    def set_strangers_aside(self) -> None:
        """Make room for due features where files lie that this workflow did not write, and keep these."""
        for feature in self.strangers:
            place, kept = self.work.features / feature, self.work.set_aside / feature
            with writing(kept):
                kept.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(kept):
                    keep_aside(kept, ".earlier")
                place.replace(kept)

    def stage_moved(self) -> None:
        """Bring the features of moved videos to the staging tree, from where they go to their new places.

        They are put on record first: a record is worth nothing without its file, a file without one would be lost.
        """
        moved = {video: waiting for video, waiting in self.waiting.items() if waiting.moved}
        records = [
            msgspec.structs.replace(
                waiting.record,
                video=video,
                feature_file=self.videos[video].file.feature,
                tree=self.videos_tree,
            )
            for video, waiting in moved.items()
        ]
        if records:
            journal.append(self.work.journal(f"moved-{self.path.stem}"), records)
        for record, waiting in zip(records, moved.values(), strict=True):
            staged = self.work.staging / record.feature_file
            with writing(staged):
                staged.parent.mkdir(parents=True, exist_ok=True)
                waiting.source.replace(staged)


def make_plan(
    config: dict[str, Any],
    *,
    again: Collection[str] | None = (),
    only: Collection[str] = (),
    machine: Machine | None = None,
) -> Plan:
    """Look at the trees and decide. `config` is complete.

    `again` are feature files, by their path under the features tree, that are to be made anew although they are
    present; None: all. `only` are feature files, likewise, that nothing else is to be done for; empty: all are.
    `machine` is where the jobs will run, this one unless given.
    Raises UserError for what the user must mend before anything can start.
    """
    work = WorkFolder.beside(config["features"])
    here = videos_name(Path(config["videos"]))
    tree = find_videos(Path(config["videos"]), config["extensions"], config["subsets"], work.features)
    settings = numeric_settings(config)
    fingerprint = json_digest(settings)
    check_writable(work.features)
    if only:
        tree.videos = [video for video in tree.videos if video.feature in only]
    catalog = Catalog(work.catalog)
    options = {"via_jpeg": config["via_jpeg"]} if config["via_jpeg"] else {}
    known = catalog.learn(
        tree.videos, clip_length=config["clip_length"], fps=settings["fps"], processes=processes(), **options
    )
    digests = dict.fromkeys(tree.refused, "") | {item.file.video: item.digest for item in known}
    records = journal.read_all(work)
    of_all = [record for own in records.values() for record in own]
    trees = own_trees(work, Path(config["videos"]), of_all, digests, config["another_tree"])
    past = Past(work, catalog, Path(config["videos"]), digests, records, trees)
    if shared := [item.file.video for item in known if past.held_by_another_tree(item.file.video, item.digest)]:
        raise UserError(
            f"features: {named(shared)}: the place of the feature is taken by that of another tree's video with the "
            "same path; rename one, or set 'features' elsewhere (if it is the same tree: `--config another_tree=same`)"
        )
    pricing = Pricing.of(machine or Machine(), config, settings, of_all)
    sorted_in = Sorter(past, pricing, settings, fingerprint, again)
    sorted_in.recoloured = catalog.recoloured(sorted_in.suspects(known))
    for item in known:
        sorted_in.video(item)
    elsewhere = past.elsewhere(sorted_in.rule)
    if sorted_in.pending:
        catalog.check_weights(config["weights"], settings["weights_sha256"], config["model"])
    catalog.save()
    refused = {video: skipped_record(video, Probe(), reason) for video, reason in tree.refused.items()}
    if only:
        elsewhere, refused = elsewhere | refused, {}
    groups = pack(sorted_in.pending, config["bundle_frames"])
    return Plan(
        settings=settings,
        fingerprint=fingerprint,
        videos={item.file.video: item for item in known},
        present=sorted_in.present,
        skipped=dict(sorted((refused | sorted_in.skipped).items())),
        waiting=sorted_in.waiting,
        bundles=[new_bundle(settings, fingerprint, group, work, tree=here) for group in groups],
        videos_tree=here,
        trees=trees,
        strangers=sorted_in.strangers,
        last=sorted_in.last,
        elsewhere=elsewhere,
        pricing=pricing,
        work=work,
    )


def tree_name(fingerprint: str, videos: Iterable[str], records: Mapping[str, VideoRecord]) -> str:
    """A name for what the tables tell of the trees, as the plan before a run and the tables after it see them.

    `records` are of all that is skipped, orphaned or outside the run's subsets, and may be of others.
    """
    told = {video: record.reason for video, record in records.items() if record.status in (SKIPPED, ORPHANED)}
    return json_digest([fingerprint, sorted({*videos, *records}), told])


def numeric_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that fix a feature's numbers, the weights by their content.

    `via_jpeg` is among them only where it is set: features from before there was this key stay valid.
    """
    settings = {key: config[key] for key in NUMERIC_SETTINGS if key != "via_jpeg" or config[key]}
    settings["fps"] = None if config["fps"] is None else float(config["fps"])
    return settings | {"weights_sha256": weights_digest(config["weights"])}


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
