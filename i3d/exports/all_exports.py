"""The table of exports. To add an export, add a line here and a function that maps a split to files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from i3d.digests import json_digest
from i3d.errors import UserError
from i3d.exports import crops, flat_names, frame_times, reconcile, selection, trainers, vadclip
from i3d.exports.places import crops_folder, flat_folder, lists_folder
from i3d.exports.receipts import Files, Lazy, csv_of, json_of, npy_of, text_of
from i3d.exports.selection import VALIDATION
from i3d.exports.source import Source, Split
from i3d.settings import Settings
from i3d.snippets import SnippetRule


@dataclass(frozen=True)
class Export:
    """A file per split, with any files that accompany it.

    `targets` are the names of the rules that make it. `name`, with `{split}` as a placeholder, also names its receipt.
    `splits` lists the splits that get the file. `files` returns the contents of all files, the one at the path it
    receives first.
    """

    targets: str
    folder: Callable[[Settings], Path]
    name: str
    splits: Callable[[Source], Sequence[str]]
    files: Callable[[Split, Path], Files]

    def split_of(self, receipt: str) -> str | None:
        """The split whose receipt has this name, empty for a file of all splits; None if it is another export's."""
        before, placeholder, after = self.name.partition("{split}")
        if not placeholder:
            return "" if receipt == self.name else None
        fits = receipt.startswith(before) and receipt.endswith(after)
        return receipt[len(before) : len(receipt) - len(after)] if fits else None


def _feature_list(split: Split, path: Path) -> Files:
    """The list of a split, and its numbers of anomalies and normal videos."""
    rows, left_out = split.rows, split.selection.left_out
    lines = selection.list_lines(rows, split.list_root)
    needed = split.source.choice(split.name).min_snippets
    split.source.warn(f"left out, fewer than {needed} snippets: {row.video} ({row.snippets})" for row in left_out)
    if split.is_for_tests:
        split.source.warn(trainers.too_short(rows, split.name))
    split.source.warn(trainers.misread("Smart-Surveillance", rows, lines))
    facts = selection.counts(rows) | {"left_out": [row.video for row in left_out]}
    return {path: text_of(lines), path.with_name(f"{split.name}.json"): json_of(facts)}


def _ground_truth(split: Split, path: Path) -> Files:
    """The ground truth of a split, in the order of its list."""
    return {path: npy_of(split.truth.values())}


def _snippet_times(split: Split, path: Path) -> Files:
    """When each snippet of a split's videos begins and ends."""
    rule = SnippetRule(split.source.clip_length, split.source.frequency)
    videos = Path(split.settings.videos)
    inputs = [
        [row.video, row.digest, row.snippets, row.frames_decoded, row.constant_fps, (videos / row.video).exists()]
        for row in split.rows
    ]
    key = json_digest([inputs, rule.clip_length, rule.frequency])
    return {path: Lazy(key, lambda: csv_of(frame_times.snippet_table(split.rows, videos, rule)))}


def _trainer_commands(split: Split, path: Path) -> Files:
    """The commands for each trainer, with this data set's numbers and paths."""
    source = split.source
    chosen = {name: source.split(name).rows for name in source.splits}
    rows = [row for own in chosen.values() for row in own]
    source.warn([*trainers.mixed_settings(rows), *trainers.unlike_trainers(source.frequency, source.crops)])
    training = {name: own for name, own in chosen.items() if name not in (split.name, VALIDATION)}
    parts = {name: trainers.Part(name, **selection.counts(own)) for name, own in chosen.items()}
    reason = trainers.why_not_trainable(parts, split.name, training)
    try:
        names = {video: name for own in chosen for video, name in source.split(own).event_names.items()}
    except UserError as error:  # only of what needs annotations: the other files of the target are right
        reason = reason or str(error)
    if reason:
        source.warn([reason])
        return {path: f"{reason}\n".encode()}
    data = trainers.Numbers(
        lists=path.parent.absolute(),
        crops_folder=crops_folder(source.settings).absolute(),
        train=parts[max(training, key=lambda name: parts[name].total)],
        test=parts[split.name],
        validation=parts.get(VALIDATION),
        crops=source.crops,
        dim=source.dim,
        frequency=source.frequency,
        order=source.settings.crops.order,
        labels=vadclip.label_map(vadclip.label_of(row, names) for row in rows),
    )
    return {path: trainers.commands_for(data).encode()}


def _crop_files(split: Split, path: Path) -> Files:
    """The folder of a split's crop files, and how many lines and videos of each class they are."""
    source, order = split.source, split.settings.crops.order
    facts = crops.crop_counts(split.rows) | {"order": order, "frequency": source.frequency, "dim": source.dim}
    return {path: json_of(facts)} | crops.crop_files(split.rows, source.features, path.with_name(split.name), order)


def _crop_list(split: Split, path: Path) -> Files:
    """The list of a split's crop files, for UR-DMU, BN-WVAD, PEL4VAD and DeepMIL's training."""
    lines = crops.crop_lines(split.crop_files)
    per_line = [row for row, files in zip(split.rows, split.crop_files, strict=True) for _ in files]
    split.source.warn(trainers.misread("PEL4VAD", per_line, lines))
    return {path: text_of(lines)}


def _one_crop_list(split: Split, path: Path) -> Files:
    """The list of one crop file per video, for DeepMIL's tests."""
    return {path: text_of(crops.one_crop_lines(split.crop_files, split.test_crop))}


def _flat_list(split: Split, path: Path) -> Files:
    """TEVAD's list of links named <id>_i3d.npy, the folder of these links, and S3R's CSV of the ids."""
    links = flat_names.links(split.rows, split.ids, split.source.features, path.with_name(split.name))
    lines = text_of(str(link.absolute()) for link in links)
    return {path: lines, path.with_name(f"{split.name}.csv"): csv_of(flat_names.s3r_table(split.ids))} | links


def _s3r_labels(split: Split, path: Path) -> Files:
    """S3R's ground truth, as JSON."""
    return {path: json_of(flat_names.s3r_labels(split.truth, split.ids))}


def _s3r_pickle(split: Split, path: Path) -> Files:
    """The normal training videos in 32 segments, from which S3R learns its dictionary."""
    features = split.source.features
    inputs = [[row.video, row.feature_sha256 or crops.version(features / row.feature_file)] for row in split.rows]
    return {path: Lazy(json_digest(inputs), lambda: flat_names.s3r_pickle(split.rows, split.ids, features))}


# Which splits get a file. A file of the whole data set is listed under the split for tests.
_every, _tested, _truthful = attrgetter("splits"), attrgetter("tested"), attrgetter("truthful")


def _trained(source: Source) -> Sequence[str]:
    return [split for split in source.splits if split not in source.tested]


def _once(source: Source) -> Sequence[str]:
    return [source.settings.test_split]


def _if_annotated(source: Source) -> Sequence[str]:
    return source.truthful if source.annotations_path else []


def _once_if_annotated(source: Source) -> Sequence[str]:
    return _once(source) if source.annotations_path else []


def _if_timed(source: Source) -> Sequence[str]:
    return source.splits if source.settings.snippet_times else []


_ALL = "lists ground_truth ur_dmu deepmil vadclip tevad_s3r s3r"

EXPORTS = (
    Export("lists ground_truth", lists_folder, "{split}.list", _every, _feature_list),
    Export("lists", lists_folder, "{split}_snippet_times.csv", _if_timed, _snippet_times),
    Export("ground_truth", lists_folder, "{split}_gt.npy", _truthful, _ground_truth),
    Export("ground_truth", lists_folder, "reconcile.csv", _once_if_annotated, reconcile.reconciled),
    Export(_ALL, lists_folder, "trainers.txt", _once, _trainer_commands),
    Export("ur_dmu deepmil vadclip", crops_folder, "{split}.json", _every, _crop_files),
    Export("ur_dmu deepmil", crops_folder, "{split}.list", _every, _crop_list),
    Export("deepmil", crops_folder, "{split}_one_crop.list", _tested, _one_crop_list),
    Export("vadclip", crops_folder, "{split}.csv", _every, vadclip.table),
    Export("vadclip", crops_folder, "{split}_gt_segment.npy", _if_annotated, vadclip.segments),
    Export("tevad_s3r s3r", flat_folder, "{split}.list", _every, _flat_list),
    Export("tevad_s3r s3r", flat_folder, "{split}_ground_truth.json", _if_annotated, _s3r_labels),
    Export("s3r", flat_folder, "{split}_regular_features.pickle", _trained, _s3r_pickle),
)
TARGETS = tuple(dict.fromkeys(target for export in EXPORTS for target in export.targets.split()))
