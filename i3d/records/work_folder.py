"""The workflow's own folder inside the features tree, on the same file system, so that moving is renaming."""

from pathlib import Path

NAME = ".i3d"


class WorkFolder:
    """Paths in the work folder, which holds everything but features and tables."""

    def __init__(self, root: Path) -> None:
        self.root, self.features = root, root.parent
        self.catalog = root / "catalog.json"  # a cache of what is known of each video and feature file
        self.journals = root / "journals"  # per attempt at a bundle, a line per finished video: the lasting record
        self.plans = root / "plans"  # the last plan
        self.lock = root / "lock"  # held by the current run
        self.jobs = root / "jobs"  # a mark for each run whose jobs in a batch system may still write here
        self.died = root / "died"  # why the jobs of unfinished bundles died
        self.trees = root / "trees.json"  # the names that the videos tree has had
        self.set_aside = root / "set_aside"  # files of others that lay in the place of features
        self.bundles = root / "bundles"  # the input of decode and extract
        self.frames = root / "frames"  # decoded frames
        self.staging = root / "staging"  # finished features on their way to their places
        self.extracted = root / "extracted"  # an empty file per extracted bundle, for Snakemake
        self.progress = root / "progress"  # how far the current run is

    @classmethod
    def beside(cls, features: str | Path) -> "WorkFolder":
        """Return the work folder of a features tree."""
        return cls(Path(features) / NAME)

    @classmethod
    def of_file(cls, path: Path) -> "WorkFolder":
        """Return the work folder that a bundle or plan file lies in."""
        return cls(path.parents[1])

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders in it that runs write to."""
        of_run = self.plans, self.bundles, self.frames, self.staging, self.extracted, self.progress
        return *of_run, self.journals, self.jobs, self.died

    def bundle(self, name: str) -> Path:
        return self.bundles / f"{name}.json"

    def died_of(self, bundle: str) -> Path:
        """Path of the reason why the last job of a bundle died."""
        return self.died / f"{bundle}.txt"

    def progress_of(self, stage: str, bundle: str) -> Path:
        """Path of a bundle's progress in one stage."""
        return self.progress / stage / f"{bundle}.json"

    def journal(self, name: str) -> Path:
        return self.journals / f"{name}.jsonl"
