"""The workflow's own folder inside the features tree, on the same file system, so that moving is renaming."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

NAME = ".i3d"


@dataclass(frozen=True)
class WorkFolder:
    """Where everything lies that is neither a feature nor a table.

    catalog.json    what is known of each video and feature file: a cache
    journals/       one per attempt at a bundle, a line per finished video: the lasting account of what was done
    plans/          the last plan
    lock            held by the run that is at work
    jobs/           a mark for each run whose jobs in a batch system may still write here
    died/           why the jobs of unfinished bundles died
    trees.json      the places under which the videos tree is known
    set_aside/      files that lay in the place of features and are not this workflow's
    bundles/, frames/, staging/, extracted/, progress/    what a run needs on the way
    """

    root: Path

    @classmethod
    def beside(cls, features: str | Path) -> "WorkFolder":
        """The work folder of a features tree."""
        return cls(Path(features) / NAME)

    @classmethod
    def of_bundle(cls, bundle: Path) -> "WorkFolder":
        """The work folder that a bundle file lies in."""
        return cls(bundle.parents[1])

    @cached_property
    def features(self) -> Path:
        """The features tree."""
        return self.root.parent

    @cached_property
    def catalog(self) -> Path:
        return self.root / "catalog.json"

    @cached_property
    def trees(self) -> Path:
        return self.root / "trees.json"

    @cached_property
    def set_aside(self) -> Path:
        return self.root / "set_aside"

    @cached_property
    def lock(self) -> Path:
        return self.root / "lock"

    @cached_property
    def plans(self) -> Path:
        return self.root / "plans"

    @cached_property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @cached_property
    def frames(self) -> Path:
        return self.root / "frames"

    @cached_property
    def staging(self) -> Path:
        """Finished features wait here until they are moved into place."""
        return self.root / "staging"

    @cached_property
    def extracted(self) -> Path:
        """Empty files that tell Snakemake which bundles have been extracted."""
        return self.root / "extracted"

    @cached_property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @cached_property
    def died(self) -> Path:
        return self.root / "died"

    @cached_property
    def progress(self) -> Path:
        return self.root / "progress"

    @cached_property
    def journals(self) -> Path:
        return self.root / "journals"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders in it that runs write to."""
        of_run = self.plans, self.bundles, self.frames, self.staging, self.extracted, self.progress
        return *of_run, self.journals, self.jobs, self.died

    def bundle(self, name: str) -> Path:
        return self.bundles / f"{name}.json"

    def died_of(self, bundle: str) -> Path:
        """Where it stands why the last job of a bundle died."""
        return self.died / f"{bundle}.txt"

    def progress_of(self, stage: str, bundle: str) -> Path:
        """Where a stage of a bundle notes how far it is."""
        return self.progress / stage / f"{bundle}.json"

    def journal(self, name: str) -> Path:
        return self.journals / f"{name}.jsonl"
