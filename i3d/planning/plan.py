"""The plan: what a run has to do, decided once, in the main process, before any job starts.

`make_plan` walks the tree, reads what is new, decides on each video (`decide.py`), packs those to extract into bundles,
and prices them. The plan file carries the plan to the aggregate script at the end of the run.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec

from i3d import commands
from i3d.cost.prices import Machine, Pricing
from i3d.datasets.naming import DataSet, Names, open_dataset
from i3d.decoding.probe import Probe
from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.files import keep_aside, move, read_json, write_atomically, writing
from i3d.paths import features_of, is_clean
from i3d.planning.catalog import Catalog, Known
from i3d.planning.decide import Decision, Evidence, Waiting, decide, skipped_record
from i3d.planning.earlier_runs import EarlierRuns
from i3d.planning.permissions import check_readable
from i3d.planning.tree import check_root, find_videos
from i3d.planning.tree_names import own_trees, videos_name, write_names
from i3d.planning.weights_check import weights_digest
from i3d.quantities import count, named
from i3d.records import journal
from i3d.records.bundles import Bundle, BundleEntry, new_bundle, pack, write_bundle
from i3d.records.record import FAILED, ORPHANED, SKIPPED, VideoRecord, as_planned, settings_differences
from i3d.records.work_folder import WorkFolder
from i3d.results.names import Naming
from i3d.results.run_summary import tables_are_current
from i3d.settings import RANDOM, NumericSettings, Settings

FORMAT = 2  # of plan files; raise it when older ones cannot be read
ASSUMED_FRAMES = 1000  # of a video of unknown length; only sizes its bundle


class PendingVideo(msgspec.Struct, frozen=True):
    """A video to extract: its bundle, and the digest and the probe from the catalog."""

    bundle: str
    digest: str
    probe: Probe


class PlanFile(msgspec.Struct, kw_only=True):
    """What the aggregate script needs to know of a run. Dictionaries are keyed by path under the videos tree."""

    videos: str  # the videos tree, as in the settings
    made: str  # ISO 8601: makes each run's file differ, so that Snakemake writes the tables for each
    settings: NumericSettings
    fingerprint: str
    pending: dict[str, PendingVideo]
    waiting: list[str]
    features: dict[str, str]  # paths under the features tree, of all videos but skipped ones
    skipped: dict[str, VideoRecord]
    elsewhere: dict[str, VideoRecord]  # videos outside this run's subsets, and orphaned features
    stale: dict[str, VideoRecord]  # earlier features of skipped videos that are still in place
    dataset: str = ""  # a digest of the data set's sheet and lists
    names: dict[str, Naming] | None = None  # by the data set's sheet; None: by folders
    passed_over: dict[str, int] = {}  # as `Tree.passed_over`


def read_plan(path: Path) -> PlanFile:
    """Read a plan file. Raises UserError if it is missing or damaged."""
    try:
        plan = read_json(path, PlanFile)
        records = [*plan.skipped.values(), *plan.elsewhere.values(), *plan.stale.values()]
        if not all(feature in features_of(video) for video, feature in plan.features.items()):
            raise ValueError("a feature is not its video's")
        if not all(map(is_clean, plan.features)) or not all(record.is_sound for record in records):
            raise ValueError("it holds a path that leads elsewhere")
        return plan
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable plan file ({error}); run snakemake again, it writes it") from None


@dataclass(frozen=True)
class Plan:
    """What is to be done. All dictionaries are keyed by path under the videos tree, and sorted by it."""

    settings: NumericSettings  # as in the bundle files
    videos: dict[str, Known]  # all that were not refused, skipped or not
    present: dict[str, VideoRecord]
    skipped: dict[str, VideoRecord]
    waiting: dict[str, Waiting]
    bundles: list[Bundle]
    last: dict[str, VideoRecord]  # the newest records of due videos
    replaced: dict[str, VideoRecord]  # records of the features in place of due videos
    stale: dict[str, VideoRecord]  # likewise of skipped videos
    strangers: list[str]  # files in the place of due features that this workflow did not write
    elsewhere: dict[str, VideoRecord]  # outside this run's subsets, and orphaned features
    passed_over: dict[str, int]  # as `Tree.passed_over`
    videos_tree: str  # its name in records
    trees: set[str]  # all its names, former ones too
    root: Path  # of the videos tree
    problem: UserError | None  # why the pending videos cannot be extracted
    dataset: DataSet | None  # None: split and label follow from the folders
    pricing: Pricing = field(repr=False)
    work: WorkFolder = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        return self.settings.fingerprint

    @cached_property
    def pending(self) -> dict[str, str]:
        """Videos to extract, with the name of their bundle."""
        return {entry.video: bundle.name for bundle in self.bundles for entry in bundle.videos}

    @cached_property
    def orphaned(self) -> dict[str, VideoRecord]:
        """Features whose video is gone."""
        return {video: record for video, record in self.elsewhere.items() if record.status == ORPHANED}

    @cached_property
    def failures(self) -> dict[str, str]:
        """Pending videos whose last attempt failed, with the reason."""
        return {
            video: record.reason or ""
            for video in self.pending
            if (record := self.last.get(video)) is not None
            and record.status == FAILED
            and record.fits(self.videos[video].digest, self.fingerprint)
        }

    @cached_property
    def _by_feature(self) -> dict[str, str]:
        return {known.file.feature: video for video, known in self.videos.items()}

    def video_of(self, feature: str) -> str:
        """Return the video of this feature file. Raises UserError if there is none, or if it is skipped."""
        video = self._by_feature.get(feature)
        if video is None:
            raise UserError(
                f"{feature}: no video has this feature; is there one of that name under 'videos' and 'subsets'?"
            )
        if video in self.skipped:
            raise UserError(f"{feature}: {video} is skipped: {self.skipped[video].reason}")
        return video

    def bundle_of(self, feature: str) -> str | None:
        """Return the bundle that makes this feature, or made it if its files still exist; raises as `video_of`."""
        video = self.video_of(feature)
        if video in self.present:
            bundle = self.present[video].bundle or ""
            known = self.work.bundle(bundle).exists() and (self.work.extracted / bundle).exists()
            return bundle if known else None
        return self.pending.get(video)

    def seconds_of(self, bundle: str) -> float:
        """Return the seconds that a bundle's job takes, without its start; 0 for a bundle of another plan."""
        return self._seconds.get(bundle, 0.0)

    @cached_property
    def _seconds(self) -> dict[str, float]:
        probes = {video: known.probe for video, known in self.videos.items()}
        return {bundle.name: self.pricing.seconds(bundle, probes) for bundle in self.bundles}

    @cached_property
    def tree(self) -> str:
        """A digest of the tables' content under the present settings; the tables are due when it changes."""
        return tree_name(self.fingerprint, self.videos, self.skipped | self.elsewhere, self._dataset)

    @cached_property
    def names(self) -> Names | None:
        """Split, category and label of each video by the data set; None without one."""
        return None if self.dataset is None else self.dataset.names({**self.videos, **self.skipped, **self.elsewhere})

    @cached_property
    def _dataset(self) -> str:
        return "" if self.dataset is None else self.dataset.digest

    @cached_property
    def path(self) -> Path:
        """The plan file, with a name for each plan, so that a dry run does not disturb a real one beside it."""
        name = json_digest([FORMAT, self.tree, [bundle.name for bundle in self.bundles], list(self.waiting)])
        return self.work.plans / f"{name}.json"

    @cached_property
    def due(self) -> list[str]:
        """Videos whose features a run has to make or to move."""
        return sorted([*self.waiting, *self.pending])

    @cached_property
    def is_due(self) -> bool:
        """Whether a run has anything to do: features, or tables that are out of date."""
        return bool(self.due) or not tables_are_current(self.work.features, self.tree)

    @property
    def only_failures_are_due(self) -> bool:
        """Whether nothing is due but videos that failed last time, and the tables show that already."""
        return set(self.due) <= set(self.failures) and tables_are_current(self.work.features, self.tree)

    def refuse_replacing(self) -> None:
        """Raise UserError if features in place would be replaced by those of other settings."""
        ours = as_planned(self.settings)
        found = [differs for record in self.replaced.values() if (differs := settings_differences(record, ours))]
        if found:
            raise UserError(
                f"features: {count(len(found), 'feature')} in place would be replaced, made under "
                f"{'; '.join(found[0])}; set that as it was to export what is there, or run {commands.snakemake()} "
                "first to make them anew"
            )

    def write(self, *, names: bool = True) -> None:
        """Write the bundle files and the plan file that the jobs read; with `names`, record the videos tree's, too."""
        if names:
            write_names(self.work, self.trees)
        for bundle in self.bundles:
            write_bundle(bundle, self.work.bundle(bundle.name))
        content = PlanFile(
            videos=str(self.root),
            made=datetime.now(UTC).isoformat(),
            settings=self.settings,
            fingerprint=self.fingerprint,
            pending={
                video: PendingVideo(bundle, self.videos[video].digest, self.videos[video].probe)
                for video, bundle in self.pending.items()
            },
            waiting=list(self.waiting),
            features={video: known.file.feature for video, known in self.videos.items() if video not in self.skipped},
            skipped=self.skipped,
            elsewhere=self.elsewhere,
            stale=self.stale,
            dataset=self._dataset,
            names=self.names.of if self.names else None,
            passed_over=self.passed_over,
        )
        write_atomically(self.path, msgspec.json.encode(content))

    def set_strangers_aside(self) -> None:
        """Move files that this workflow did not write out of the place of due features."""
        for feature in self.strangers:
            place, kept = self.work.features / feature, self.work.set_aside / feature
            with writing(kept):
                if os.path.lexists(kept):
                    keep_aside(kept, ".earlier")
                if place.is_symlink():  # which may be relative to where it is
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.symlink_to(place.parent.absolute() / place.readlink())
                    place.unlink()
                else:
                    move(place, kept)

    def stage_moved(self) -> None:
        """Move the features of moved videos to the staging tree, on their way to their new places.

        They are recorded first: a record without its file does no harm, but a file without a record would be lost.
        """
        moved = {video: waiting for video, waiting in self.waiting.items() if waiting.moved}
        records = [
            msgspec.structs.replace(
                waiting.record, video=video, feature_file=self.videos[video].file.feature, tree=self.videos_tree
            )
            for video, waiting in moved.items()
        ]
        if records:
            journal.append(self.work.journal(f"moved-{self.path.stem}"), records)
        for record, waiting in zip(records, moved.values(), strict=True):
            staged = self.work.staging / record.feature_file
            with writing(staged):
                move(waiting.source, staged)


def make_plan(
    settings: Settings,
    *,
    again: Collection[str] | None = (),
    only: Collection[str] = (),
    machine: Machine | None = None,
) -> Plan:
    """Look at the trees and decide what to do.

    `again` are features, by path under the features tree, to make anew although they are present (None: all); `only`,
    unless empty, limits the plan to these features; `machine` is where the jobs will run, by default here.
    Missing or unfit weights become the plan's `problem`, so that it can be shown all the same. Raises UserError for
    what the user must mend before anything can start.
    """
    work, root = WorkFolder.beside(settings.features), Path(settings.videos)
    check_root(root)
    here = videos_name(root)
    dataset = open_dataset(settings)
    tree = find_videos(
        root,
        settings.extensions,
        settings.subsets,
        work.features,
        frame_folders=settings.frame_folders,
        known=dataset.file_names if dataset else (),
    )
    catalog = Catalog(work.catalog)
    catalog.know_model(settings.model)
    check_readable(work)
    files = [video for video in tree.videos if not only or video.feature in only]

    known = catalog.learn(
        files,
        clip_length=settings.clip_length,
        fps=settings.fps,
        via_jpeg=settings.via_jpeg,
    )
    earlier = _earlier_runs(settings, work, catalog, known, tree.refused)
    records = [record for own in earlier.records.values() for record in own]
    digest, problem = _weights(settings, records)
    numeric = settings.numeric(digest)
    pricing = Pricing.of(machine or Machine.here(), settings, numeric, records)

    decisions: dict[str, Decision] = {}
    evidence: dict[str, Evidence] = {}
    fingerprint = numeric.fingerprint
    for item in known:
        wanted_again = again is None or item.file.feature in again
        found = earlier.evidence(item, fingerprint, again=wanted_again)
        evidence[item.file.video] = found
        decisions[item.file.video] = decide(item, found, numeric)
    elsewhere = earlier.elsewhere(numeric.rule)

    videos = {item.file.video: item for item in known}
    due = [video for video, decision in decisions.items() if decision.verdict in ("waiting", "pending")]
    pending = [videos[video] for video in due if decisions[video].verdict == "pending"]
    if pending and problem is None:
        try:
            catalog.check_weights(settings.weights, numeric.weights_sha256, numeric.model)
        except UserError as error:
            problem = error
    catalog.save()
    refused = {video: skipped_record(video, Probe(), reason) for video, reason in tree.refused.items()}
    if only:
        elsewhere, refused = elsewhere | refused, {}
    skipped = _records(decisions, "skipped")
    replaces = {
        video: found.replaces
        for video, found in evidence.items()
        if found.replaces is not None and not earlier.is_taken(found.replaces)
    }
    replaced = {video: replaces[video] for video in due if video in replaces}
    if settings.weights == RANDOM and (real := [each for each in replaced.values() if each.weights_sha256 != RANDOM]):
        problem = UserError(
            f"weights: {count(len(real), 'feature')} in {work.features} would be replaced by those of random weights; "
            "set 'features' to another folder for a trial"
        )
    groups = pack([_entry(item, pricing) for item in pending], pricing.bundle_frames(settings.bundle_frames))
    return Plan(
        settings=numeric,
        videos=videos,
        present=_records(decisions, "present"),
        skipped=dict(sorted((refused | skipped).items())),
        waiting={video: waiting for video in due if (waiting := evidence[video].waiting) is not None},
        bundles=[new_bundle(numeric, settings.for_jobs(), group, work, tree=here) for group in groups],
        last={video: evidence[video].records[-1] for video in due if evidence[video].records},
        replaced=replaced,
        stale={video: replaces[video] for video in skipped if video in replaces},
        strangers=[videos[video].file.feature for video in due if evidence[video].stranger],
        elsewhere=elsewhere,
        passed_over=tree.passed_over,
        videos_tree=here,
        trees=earlier.trees,
        root=root,
        problem=problem if pending else None,
        dataset=dataset,
        pricing=pricing,
        work=work,
    )


def _weights(settings: Settings, records: Sequence[VideoRecord]) -> tuple[str, UserError | None]:
    """Return the digest of the weights; if unreadable, the last recorded one, for features in place, and the error."""
    try:
        return weights_digest(settings.weights), None
    except UserError as error:
        last = max(records, key=lambda record: record.finished or "", default=None)
        return (last and last.weights_sha256) or "", error


def _earlier_runs(
    settings: Settings, work: WorkFolder, catalog: Catalog, known: list[Known], refused: Iterable[str]
) -> EarlierRuns:
    """Collect what earlier runs left. Raises UserError if it is another tree's and the settings refuse that."""
    root = Path(settings.videos)
    digests = dict.fromkeys(refused, "") | {item.file.video: item.digest for item in known}
    records = journal.read_all(work)
    of_all = [record for own in records.values() for record in own]
    trees = own_trees(work, root, of_all, digests, settings.another_tree)
    earlier = EarlierRuns(work, catalog, root, digests, records, trees)
    if shared := [item.file.video for item in known if earlier.held_by_another_tree(item)]:
        raise UserError(
            f"features: {named(shared)}: the place of the feature is taken by that of another tree's video with the "
            "same path; rename one, or set 'features' elsewhere (if it is the same tree: `--config another_tree=same`)"
        )
    return earlier


def _records(decisions: Mapping[str, Decision], verdict: str) -> dict[str, VideoRecord]:
    return {
        video: decision.record
        for video, decision in decisions.items()
        if decision.verdict == verdict and decision.record is not None
    }


def _entry(item: Known, pricing: Pricing) -> BundleEntry:
    frames = item.probe.frames or ASSUMED_FRAMES
    return BundleEntry(
        video=item.file.video,
        path=str(item.file.path),
        feature=item.file.feature,
        digest=item.digest,
        frames=frames,
        weight=pricing.weight(frames, item.probe),
    )


def tree_name(fingerprint: str, videos: Iterable[str], records: Mapping[str, VideoRecord], dataset: str = "") -> str:
    """Return a digest of what the tables say, the same from the plan before a run and from the tables after it.

    `records` must include all that are skipped, orphaned or outside the run's subsets, and may include others.
    `dataset` is the digest of a data set's sheet and lists, empty without one.
    """
    reasons = {video: record.reason for video, record in records.items() if record.status in (SKIPPED, ORPHANED)}
    return json_digest([fingerprint, sorted({*videos, *records}), reasons, *([dataset] if dataset else [])])
