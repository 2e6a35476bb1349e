"""Write what trainers read from finished features: lists, ground truth, one file per crop.

Each command puts its files in place when all are written; after an error, those of an earlier call are untouched.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import yaml

from i3d.config import complete
from i3d.errors import UserError, run_main
from i3d.exports import annotations, crops, flat_names, ground_truth, lists, trainers, vadclip
from i3d.exports.copies import CopyNames
from i3d.exports.places import refuse_linked_overlap
from i3d.exports.receipts import RECEIPTS, Content, csv_of, json_of, npy_of, publish, text_of
from i3d.exports.selection import VALIDATION, Choice, Selection, select, splits
from i3d.records.record import Row
from i3d.results.metadata import read_metadata
from i3d.settings import Settings


class Export:
    """One split of a finished tree, under the settings `test_split`, `lists`, `ground_truth` and `crops`."""

    def __init__(self, metadata: Path, split: str, settings: Settings, output: Path) -> None:
        self.split, self.settings, self.output = split, settings, output
        self.features = metadata.parent
        self.table = read_metadata(metadata)
        self.copies = CopyNames(settings.lists.copies)
        self.is_for_tests = split in (settings.test_split, VALIDATION)

    def choice(self, split: str) -> Choice:
        """The settings that choose the videos of a split."""
        own = self.settings.lists
        return Choice(
            categories=own.categories,
            min_snippets=own.min_snippets.get(split, 1),
            copies=self.copies,
            test_split=self.settings.test_split,
            validation=own.validation.fraction,
            seed=own.validation.seed,
        )

    def select(self, split: str) -> Selection:
        """The videos of a split."""
        return select(self.table, split, self.choice(split))

    @cached_property
    def rows(self) -> list[Row]:
        """The videos of this split, in the order of its list."""
        return self.select(self.split).rows

    @property
    def root(self) -> Path:
        """What a line of a list has before train_val/..."""
        return Path(self.settings.lists.root or self.features.absolute())

    @property
    def crop_files(self) -> list[list[Path]]:
        """The crop files of each video, as a trainer finds them."""
        root = self.settings.crops.root or self.output.parent.absolute()
        return crops.crop_paths(self.rows, Path(root) / self.split)

    @property
    def test_crop(self) -> int:
        """The crop that single-crop tests read."""
        own = self.settings.crops
        return crops.centre_crop(own.order) if own.test_crop is None else own.test_crop

    def matched(self, rows: list[Row]) -> annotations.Matched:
        """What the annotations say of some videos. Raises UserError when there are none."""
        path = self.settings.ground_truth.annotations
        if path is None:
            raise UserError("ground_truth: set `annotations` to your CSV of events, as config/schema.yaml describes")
        return annotations.match_annotations(annotations.read_annotations(Path(path)), self.table, rows, self.copies)

    def event_names(self, rows: list[Row]) -> dict[str, str]:
        """The event by which VadCLIP labels a video; none when it is to have one label for all anomalies."""
        if self.settings.crops.labels == "anomaly":
            return {}
        return annotations.labels_of_events(rows, self.matched(rows).events)

    @cached_property
    def truth(self) -> ground_truth.Truth:
        """The ground truth; what is to be told about it goes to the log."""
        own = self.settings.ground_truth
        matched = self.matched(self.rows)
        truth = ground_truth.ground_truth(
            self.rows, matched, self.features, self.settings.frequency, own.unannotated, own.strict
        )
        warn(truth.warnings)
        return truth

    def beside(self, suffix: str = "") -> Path:
        """What is named like the split, with this suffix, beside the output."""
        return self.output.with_name(self.split + suffix)

    def publish(self, files: dict[Path, Content]) -> None:
        """Put the files in place, with a receipt named like the output."""
        refuse_linked_overlap(self.output.parent, self.table, self.features, self.settings.videos)
        publish(self.output.parent / RECEIPTS / self.output.name, files)


def write_list(export: Export) -> None:
    """The list of a split, and beside it how many of its lines are anomalies."""
    rows, left_out = export.rows, export.select(export.split).left_out
    lines = lists.list_lines(rows, export.root)
    needed = export.choice(export.split).min_snippets
    warn(f"left out, fewer than {needed} snippets: {row.video} ({row.snippets})" for row in left_out)
    if export.is_for_tests:
        warn(trainers.too_short(rows))
    warn(trainers.misread("Smart-Surveillance", rows, lines))
    facts = lists.counts(rows) | {"left_out": [row.video for row in left_out]}
    export.publish({export.output: text_of(lines), export.beside(".json"): json_of(facts)})


def write_ground_truth(export: Export) -> None:
    """The ground truth of a split, in the order of its list."""
    export.publish({export.output: npy_of(export.truth.values())})


def write_crops(export: Export) -> None:
    """How many lines and videos of each class a split's crop files are, and beside it their folder."""
    facts = json_of(crops.crop_counts(export.rows))
    files = crops.crop_files(export.rows, export.features, export.beside(), export.settings.crops.order)
    export.publish(files | {export.output: facts})


def write_crop_list(export: Export) -> None:
    """The list of a split's crop files, for UR-DMU, BN-WVAD, PEL4VAD and DeepMIL's training."""
    lines = crops.crop_lines(export.crop_files)
    per_line = [row for row, files in zip(export.rows, export.crop_files, strict=True) for _ in files]
    warn(trainers.misread("PEL4VAD", per_line, lines))
    export.publish({export.output: text_of(lines)})


def write_one_crop_list(export: Export) -> None:
    """The list of one crop file per video, for DeepMIL's tests."""
    export.publish({export.output: text_of(crops.one_crop_lines(export.crop_files, export.test_crop))})


def write_vadclip(export: Export) -> None:
    """VadCLIP's CSV of a split's crop files; of one crop per video where it tests."""
    names = export.event_names(export.rows)
    crop = export.test_crop if export.is_for_tests else None
    export.publish({export.output: csv_of(vadclip.table(export.rows, export.crop_files, names, crop))})


def write_vadclip_segments(export: Export) -> None:
    """VadCLIP's gt_segment, and gt_label beside it, in the order of the split's list."""
    where, what = vadclip.segments(export.truth, export.event_names(export.rows))
    export.publish({export.output: npy_of(where), export.beside("_gt_label.npy"): npy_of(what)})


def write_flat_names(export: Export) -> None:
    """TEVAD's list of links named <id>_i3d.npy, and beside it their folder and S3R's CSV of the ids."""
    links = flat_names.links(export.rows, export.features, export.beside())
    lines = text_of(str(path.absolute()) for path in links)
    ids = csv_of(flat_names.s3r_table(export.rows))
    export.publish(links | {export.output: lines, export.beside(".csv"): ids})


def write_s3r_labels(export: Export) -> None:
    """S3R's ground truth, as JSON."""
    export.publish({export.output: json_of(flat_names.s3r_labels(export.truth))})


def write_trainer_lines(export: Export) -> None:
    """The lines to paste for each trainer, with this data set's numbers and paths; on the screen, too."""
    chosen = {split: export.select(split).rows for split in splits(export.table, export.choice(export.split))}
    training = [split for split in chosen if split not in (export.split, VALIDATION)]
    rows = [row for own in chosen.values() for row in own]
    parts = {split: trainers.Part(split, **lists.counts(own)) for split, own in chosen.items()}
    each = rows[0].crops or 1
    text = (
        f"features are needed in `test_split` ({export.split}) and in another split, for trainers to train and test\n"
    )
    if export.split in chosen and training:
        text = trainers.lines_to_paste(
            trainers.DataSet(
                lists=export.output.parent.absolute(),
                crops_folder=Path(export.settings.crops.folder).absolute(),
                train=parts[max(training, key=lambda split: parts[split].total)],
                test=parts[export.split],
                validation=parts.get(VALIDATION),
                crops=each,
                labels=vadclip.label_map(vadclip.label_of(row, export.event_names(rows)) for row in rows),
            )
        )
    warn([*trainers.mixed_settings(rows), *trainers.unlike_trainers(export.settings.frequency, each)])
    export.publish({export.output: text.encode()})
    print(text)


def warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


COMMANDS: dict[str, Callable[[Export], None]] = {
    "list": write_list,
    "ground-truth": write_ground_truth,
    "crops": write_crops,
    "crop-list": write_crop_list,
    "one-crop-list": write_one_crop_list,
    "vadclip": write_vadclip,
    "vadclip-segments": write_vadclip_segments,
    "flat-names": write_flat_names,
    "s3r-labels": write_s3r_labels,
    "trainer-lines": write_trainer_lines,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.add_argument("--metadata", type=Path, required=True, help="metadata.csv, at the top of the features")
        command.add_argument("--split", required=True, help="first folder under the videos tree, such as test; or val")
        command.add_argument(
            "--settings", type=yaml.safe_load, default={}, help="what config/config.yaml may hold, as YAML"
        )
        command.add_argument("--output", type=Path, required=True, help="the file to write")
        command.set_defaults(run=run)
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.run(Export(args.metadata, args.split, complete(args.settings), args.output))


if __name__ == "__main__":
    run_main(main)
