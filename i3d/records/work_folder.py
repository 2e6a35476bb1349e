"""The workflow's own folder inside the features tree, on the same file system, so that moving is renaming."""

from pathlib import Path

NAME = ".i3d"


class WorkFolder:
    """Paths in the work folder, which holds everything but features and tables.

    catalog.json    a cache of what is known of each video and feature file
    journals/       one per attempt at a bundle, a line per finished video: the lasting record of what was done
    plans/          the last plan
    lock            held by the current run
    jobs/           a mark for each run whose jobs in a batch system may still write here
    died/           why the jobs of unfinished bundles died
    trees.json      the places under which the videos tree is known
    set_aside/      files of others that lay in the place of features
    bundles/        bundle files, the input of decode and extract
    frames/         decoded frames
    staging/        finished features that are not in their places yet
    extracted/      an empty file per extracted bundle, for Snakemake
    progress/       how far the current run is
    """

    def __init__(self, root: Path) -> None:
        self.root, self.features = root, root.parent
        self.catalog = root / "catalog.json"
        self.trees = root / "trees.json"
        self.set_aside = root / "set_aside"
        self.lock = root / "lock"
        self.journals = root / "journals"
        self.plans = root / "plans"
        self.jobs = root / "jobs"
        self.died = root / "died"
        self.bundles = root / "bundles"
        self.frames = root / "frames"
        self.staging = root / "staging"
        self.extracted = root / "extracted"
        self.progress = root / "progress"

    @classmethod
    def beside(cls, features: str | Path) -> "WorkFolder":
        """Return the work folder of a features tree."""
        return cls(Path(features) / NAME)

    @classmethod
    def of_bundle(cls, bundle: Path) -> "WorkFolder":
        """Return the work folder that a bundle file lies in."""
        return cls(bundle.parents[1])

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
