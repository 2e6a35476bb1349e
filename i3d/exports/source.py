"""The input of the exports: a finished tree's table, split by split, under the export settings."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from i3d.datasets.naming import AbsentError, find_annotations
from i3d.errors import UserError
from i3d.exports import annotation_formats, annotations, crops, flat_names, ground_truth
from i3d.exports.copies import CopyNames
from i3d.exports.selection import VALIDATION, Choice, Selection, select, splits
from i3d.quantities import named
from i3d.records.record import Row
from i3d.results.metadata import is_wanted, read_metadata
from i3d.settings import Settings

NO_ANNOTATIONS = (
    "ground_truth: set `annotations` to your events, in a form of docs/data.md, as by --config "
    "'ground_truth={annotations: FILE}'"
)


class Source:
    """A features tree with its table, read once for all exports of a call.

    Annotations are those of `ground_truth: annotations`, else of the data set, else `annotations` if it lacks them.
    `warnings` collects sentences about the exports, each once.
    """

    def __init__(self, metadata: Path, settings: Settings, annotations: str | None = None) -> None:
        self.settings = settings
        self.features = metadata.parent
        self.table = read_metadata(metadata)
        self.copies = CopyNames(settings.lists.copies, settings.extensions)
        self.annotations_path = settings.ground_truth.annotations or annotations
        self._form: str | None = None  # which the annotations must have
        self._why_unannotated = NO_ANNOTATIONS
        if settings.ground_truth.annotations is None and settings.dataset is not None:
            try:
                if official := find_annotations(settings):
                    self.annotations_path, self._form = str(official[0]), official[1]
            except UserError as error:
                self._why_unannotated = str(error)
                if not isinstance(error, AbsentError):
                    self.annotations_path = None
        self.warnings: dict[str, None] = {}
        self._splits: dict[str, Split] = {}

    def warn(self, sentences: Iterable[str]) -> None:
        """Add these sentences to the warnings."""
        self.warnings |= dict.fromkeys(sentences)

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

    @cached_property
    def wanted(self) -> list[Row]:
        """The videos that have features and are of the wanted categories. Raises UserError when there are none."""
        rows = [row for row in self.table if is_wanted(row, self.settings.lists.categories)]
        if not rows:
            raise UserError(
                f"{self.features}: no video has features"
                + (" in these `lists: categories`" if self.settings.lists.categories else "")
                + "; metadata.csv says what became of them"
            )
        return rows

    @cached_property
    def splits(self) -> list[str]:
        """The splits that have features, with `val` if it is held out. Raises UserError as `selection.splits`."""
        return splits(self.wanted, self.choice(""))

    @property
    def tested(self) -> list[str]:
        """The splits for testing detectors: `test_split`, and `val` if it is held out."""
        return [self.settings.test_split, *({VALIDATION} & set(self.splits))]

    @property
    def truthful(self) -> list[str]:
        """The splits that get ground truth: the tested ones, and any others in the settings."""
        return list(dict.fromkeys([*self.tested, *self.settings.ground_truth.splits]))

    def split(self, name: str) -> "Split":
        """One split."""
        return self._splits.setdefault(name, Split(self, name))

    @cached_property
    def annotated(self) -> annotation_formats.Annotations:
        """The annotations. Raises UserError when there are none."""
        if self.annotations_path is None:
            raise UserError(self._why_unannotated)
        return annotation_formats.read(Path(self.annotations_path), self._form)

    @cached_property
    def frequency(self) -> int:
        """Frames between the starts of two snippets in the features. Raises UserError if features differ."""
        return self._common("frequency") or self.settings.frequency

    @cached_property
    def clip_length(self) -> int:
        """Frames per snippet. Raises UserError if features differ."""
        return self._common("clip_length") or self.settings.clip_length

    @cached_property
    def crops(self) -> int:
        """Crops of each snippet. Raises UserError if features differ."""
        return self._common("crops") or 1

    @cached_property
    def dim(self) -> int:
        """Values of each crop. Raises UserError if features differ."""
        return self._common("dim") or int(ground_truth.load(self.features / self.wanted[0].feature_file).shape[-1])

    def _common(self, column: str) -> int | None:
        """The value that all features share, None if the table has none."""
        values = {row.video: value for row in self.wanted if (value := getattr(row, column)) is not None}
        (most, number), *_ = Counter(values.values()).most_common(1) or [(None, 0)]
        if number < len(values):
            others = [f"{video} ({value})" for video, value in values.items() if value != most]
            raise UserError(
                f"{column}: {named(others)} differ from the other features ({most}), and no trainer could tell them "
                "apart; make all with the same settings, or take them out with `lists: categories`"
            )
        return most


class Split:
    """The videos of one split, in the order of its lists, and the properties that exports need of them."""

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name
        self.settings = source.settings
        self.is_for_tests = name in (source.settings.test_split, VALIDATION)

    @cached_property
    def selection(self) -> Selection:
        """The videos, and those that are too short."""
        _ = self.source.crops, self.source.frequency  # refuses features that differ
        return select(self.source.table, self.name, self.source.choice(self.name))

    @property
    def rows(self) -> list[Row]:
        return self.selection.rows

    @cached_property
    def matched(self) -> annotations.Matched:
        """What the annotations say of the videos. Raises UserError when there are none."""
        source = self.source
        return annotations.match_annotations(source.annotated.events, source.table, self.rows, source.copies)

    @cached_property
    def truth(self) -> ground_truth.Truth:
        """The ground truth. Raises UserError as `ground_truth`."""
        own, source = self.settings.ground_truth, self.source
        truth = ground_truth.ground_truth(
            self.rows,
            self.matched,
            source.features,
            source.frequency,
            own.unannotated,
            own.strict,
            Path(self.settings.videos),
        )
        source.warn(truth.warnings)
        return truth

    @cached_property
    def event_names(self) -> dict[str, str]:
        """VadCLIP's label of each video: its first event or its category; empty where all anomalies share one label."""
        labels = self.settings.crops.labels
        if labels == "event":
            return annotations.labels_of_events(self.rows, self.matched.events)
        if labels == "category" or (labels == "auto" and self.settings.dataset):
            return {row.video: row.category for row in self.rows}
        return {}

    @cached_property
    def ids(self) -> list[str]:
        """Names of the videos without folders, for TEVAD and S3R."""
        wanted = [row for row in self.source.wanted if row.split]
        return flat_names.video_ids(self.rows, wanted, plain=self.settings.dataset is not None)

    @property
    def list_root(self) -> Path:
        """The folder that list lines have before train_val/..."""
        return Path(self.settings.lists.root or self.source.features.absolute())

    @cached_property
    def crop_files(self) -> list[list[Path]]:
        """The crop files of each video, at the paths where a trainer finds them."""
        own = self.settings.crops
        return crops.crop_paths(self.rows, Path(own.root or Path(own.folder).absolute()) / self.name)

    @property
    def test_crop(self) -> int:
        """The crop for tests with one crop."""
        own = self.settings.crops
        return crops.centre_crop(own.order) if own.test_crop is None else own.test_crop
