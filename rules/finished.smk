"""What the exports and the report know of finished features: the table that the last run left.

Their rules take the table by its content, as params. As an input it would start that run again.
"""

from i3d.digests import file_sha256
from i3d.results.metadata import read_metadata, splits

EXPORTED = dict(
    metadata=str(Path(config["features"]) / METADATA),
    categories=config["lists"]["categories"],
)


def table_digest(wildcards) -> str:
    """What the table holds, as a digest."""
    table = Path(EXPORTED["metadata"])
    with told_in_one_line():
        if not table.exists():
            raise UserError(f"{table}: no such table; run snakemake first, it writes it")
    return file_sha256(table)


def per_split(pattern):
    """A function for `input:` that gives `pattern` for each split with features."""

    def paths(wildcards) -> list[str]:
        with told_in_one_line():
            rows = read_metadata(Path(EXPORTED["metadata"]))
        return expand(pattern, split=splits(rows, EXPORTED["categories"]))

    return paths


def annotations(wildcards) -> str:
    """The annotation file."""
    path = config["ground_truth"]["annotations"]
    with told_in_one_line():
        if path is None:
            raise UserError("ground_truth: set `annotations` to your CSV of events, as config/schema.yaml describes")
    return path


def one_crop(wildcards) -> str:
    """The option that lists a single crop, for the test split."""
    return f"--crop {config['crops']['test_crop']}" if wildcards.split == config["test_split"] else ""


def figure(name, category, title):
    """A figure or page of the report, with its caption."""
    return report(
        f"<work>/report/{name}",
        caption=f"report/{Path(name).stem}.rst",
        category=category,
        labels={"figure": title},
    )


def folder_of_output(wildcards, output) -> str:
    """Where the first output lies."""
    return str(Path(output[0]).parent)
