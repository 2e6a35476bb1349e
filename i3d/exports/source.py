"""What the exports are made from: a finished tree's table, split by split, under the export settings."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from i3d.datasets.naming import find_annotations
from i3d.errors import UserError
from i3d.exports import annotation_formats, annotations, crops, flat_names, ground_truth
from i3d.exports.copies import CopyNames
from i3d.exports.selection import VALIDATION, Choice, Selection, select, splits
from i3d.quantities import named
from i3d.records.record import Row
from i3d.results.metadata import is_wanted, read_metadata
from i3d.settings import Settings

NO_ANNOTATIONS = "ground_truth: set `annotations` to your CSV of events, as config/schema.yaml describes"


class Source:
    """A features tree with its table, read once for all exports of a call.

    Annotations are those of `ground_truth: annotations`, else of the data set, else `annotations`. `warnings` collects
    what is to be said about the exports, each sentence once.
    """

    def __init__(self, metadata: Path, settings: Settings, annotations: str | None = None) -> None:
        self.settings = settings
        self.features = metadata.parent
        self.table = read_metadata(metadata)
        self.copies = CopyNames(settings.lists.copies)
        self.annotations_path = settings.ground_truth.annotations or annotations
        self._form: str | None = None  # that they must have
        self._why_none = NO_ANNOTATIONS
        if settings.ground_truth.annotations is None and settings.dataset is not None:
            try:
                if official := find_annotations(settings):
                    self.annotations_path, self._form = str(official[0]), official[1]
            except UserError as error:
                self._why_none = str(error)
        self.warnings: dict[str, None] = {}
        self._splits: dict[str, Split] = {}

    def warn(self, sentences: Iterable[str]) -> None:
        """Have these sentences said at the end."""
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
        """The splits that have features, with `val` if one is made."""
        return splits(self.wanted, self.choice(""))

    @property
    def tested(self) -> list[str]:
        """The splits that detectors are tested with: `test_split`, and `val` if one is made."""
        return [self.settings.test_split, *({VALIDATION} & set(self.splits))]

    @property
    def truthful(self) -> list[str]:
        """The splits that get ground truth: the tested ones, and those that the settings add."""
        return list(dict.fromkeys([*self.tested, *self.settings.ground_truth.splits]))

    def split(self, name: str) -> "Split":
        """One split."""
        return self._splits.setdefault(name, Split(self, name))

    @cached_property
    def annotated(self) -> annotation_formats.Annotations:
        """What happens in the videos, by the names that the annotations give them.

        Raises UserError when there are no annotations.
        """
        if self.annotations_path is None:
            raise UserError(self._why_none)
        return annotation_formats.read(Path(self.annotations_path), self._form)

    @cached_property
    def frequency(self) -> int:
        """Frames between the starts of two snippets, as the features were made. Raises UserError if they differ."""
        return self._common("frequency") or self.settings.frequency

    @cached_property
    def clip_length(self) -> int:
        """Frames per snippet. Raises UserError if features differ."""
        return self._common("clip_length") or self.settings.clip_length

    @cached_property
    def crops(self) -> int:
        """Crops of each snippet. Raises UserError if features differ, which no trainer could tell apart."""
        return self._common("crops") or 1

    @cached_property
    def dim(self) -> int:
        """Values of each crop. Raises UserError if features differ."""
        return self._common("dim") or int(ground_truth.load(self.features / self.wanted[0].feature_file).shape[-1])

    def _common(self, column: str) -> int | None:
        """The value that the features have in common, None where the table does not say."""
        values: Counter[int] = Counter(value for row in self.wanted if (value := getattr(row, column)) is not None)
        if len(values) > 1:
            (most, _), *_ = values.most_common(1)
            others = [
                f"{row.video} ({value})"
                for row in self.wanted
                if (value := getattr(row, column)) is not None and value != most
            ]
            raise UserError(
                f"{column}: {named(others)} differ from the other features ({most}), and no trainer could tell them "
                "apart; make all with the same settings, or take them out with `lists: categories`"
            )
        return next(iter(values), None)


class Split:
    """The videos of one split, in the order of its lists, and what the exports say of them."""

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name
        self.settings = source.settings
        self.is_for_tests = name in (source.settings.test_split, VALIDATION)

    @cached_property
    def selection(self) -> Selection:
        """The videos, and those that are too short."""
        source = self.source
        for agree in ("crops", "frequency"):
            getattr(source, agree)
        return select(source.table, self.name, source.choice(self.name))

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
        """The ground truth."""
        own = self.settings.ground_truth
        source = self.source
        truth = ground_truth.ground_truth(
            self.rows,
            self.matched,
            source.features,
            source.frequency,
            own.unannotated,
            own.strict,
            Path(self.settings.videos),
        )
        self.source.warn(truth.warnings)
        return truth

    @property
    def labels(self) -> str:
        """Where VadCLIP's labels come from: the word `anomaly`, the first event, or the category."""
        own = self.settings.crops.labels
        return own if own != "auto" else "category" if self.settings.dataset else "anomaly"

    @cached_property
    def event_names(self) -> dict[str, str]:
        """VadCLIP's label of a video; none when it is to have one label for all anomalies."""
        if self.labels == "event":
            return annotations.labels_of_events(self.rows, self.matched.events)
        return {row.video: row.category for row in self.rows} if self.labels == "category" else {}

    @cached_property
    def ids(self) -> list[str]:
        """Names of the videos without folders, for TEVAD and S3R."""
        wanted = [row for row in self.source.wanted if row.split]
        return flat_names.video_ids(self.rows, wanted, plain=self.settings.dataset is not None)

    @property
    def list_root(self) -> Path:
        """What a line of a list has before train_val/..."""
        return Path(self.settings.lists.root or self.source.features.absolute())

    @cached_property
    def crop_files(self) -> list[list[Path]]:
        """The crop files of each video, as a trainer finds them."""
        own = self.settings.crops
        return crops.crop_paths(self.rows, Path(own.root or Path(own.folder).absolute()) / self.name)

    @property
    def test_crop(self) -> int:
        """The crop that single-crop tests read."""
        own = self.settings.crops
        return crops.centre_crop(own.order) if own.test_crop is None else own.test_crop
