"""What the exports and the report know of the features: the table that the last run left.

Their rules take the table by its content, as params. As an input it would start that run again.
"""

from i3d.digests import file_sha256
from i3d.exports.places import flat_folder
from i3d.exports.receipts import RECEIPTS, discard_spoiled
from i3d.exports.selection import VALIDATION, Choice, splits
from i3d.results.metadata import read_metadata

EXPORTED = dict(metadata=str(FEATURES / METADATA))
EXPORT_SPLIT = r"""
    python {params.script:q} {params.command} \
        --metadata {params.metadata:q} \
        --split {params.split:q} \
        --settings {params.settings:q} \
        --output {output.exported:q} \
        2> >(tee {log:q} >&2)
    """
FLAT = str(flat_folder(SETTINGS))


def table_digest(wildcards) -> str:
    """What the table holds, as a digest."""
    table = Path(EXPORTED["metadata"])
    with exit_on_user_error():
        if not table.exists():
            raise UserError(f"{table}: no such table; run snakemake first, it writes it")
    return file_sha256(table)


EXPORT = dict(script=f"{SCRIPTS}/export.py", metadata=EXPORTED["metadata"], digest=table_digest)


@cache
def exported_splits() -> list[str]:
    """The splits that have features, with `val` if one is made."""
    chosen, held_out = SETTINGS.lists.categories, SETTINGS.lists.validation.fraction
    with exit_on_user_error():
        return splits(read_metadata(Path(EXPORTED["metadata"])), Choice(categories=chosen, validation=held_out))


def tested_splits() -> list[str]:
    """The split to test with, and `val` if one is made."""
    return [SETTINGS.test_split, *({VALIDATION} & set(exported_splits()))]


def per_split(pattern):
    """A function for `input:` that gives `pattern` and its receipt for each split with features."""

    def paths(wildcards) -> list[str]:
        return expand(with_receipt(pattern), split=exported_splits())

    return paths


def per_tested_split(pattern):
    """A function for `input:` that gives `pattern` and its receipt for each split that detectors are tested with."""

    def paths(wildcards) -> list[str]:
        return expand(with_receipt(pattern), split=tested_splits())

    return paths


def per_annotated_split(pattern):
    """As `per_tested_split`; nothing when there are no annotations."""

    def paths(wildcards) -> list[str]:
        return expand(with_receipt(pattern), split=tested_splits()) if SETTINGS.ground_truth.annotations else []

    return paths


def with_receipt(path) -> list[str]:
    """An export and its receipt, without which Snakemake makes it again."""
    folder, _, name = path.rpartition("/")
    return [path, f"{folder}/{RECEIPTS}/{name}"]


def annotations(wildcards) -> str:
    """The annotation file."""
    path = SETTINGS.ground_truth.annotations
    with exit_on_user_error():
        if path is None:
            raise UserError("ground_truth: set `annotations` to your CSV of events, as config/schema.yaml describes")
    return in_rules(path)


def as_written(folder):
    """A function for `input:` that gives nothing, but has spoiled exports in `folder` made again."""

    def no_files(wildcards) -> list[str]:
        look_after(folder)
        return []

    return no_files


@cache
def look_after(folder) -> None:
    """Put the receipts in `folder` aside of exports that something else wrote over; jobs elsewhere leave that be."""
    if workflow.is_main_process:
        for path in discard_spoiled(Path(folder)):
            logger.warning(f"{path}: gone, or something else wrote over it; made again")


def annotations_if_any(wildcards) -> list[str]:
    """The annotation file, where one is set and there; the report does without."""
    path = SETTINGS.ground_truth.annotations
    return [in_rules(path)] if path and Path(path).exists() else []


def event_names(wildcards) -> list[str]:
    """The annotation file, where VadCLIP's labels are the names of events."""
    return [annotations(wildcards)] if SETTINGS.crops.labels == "event" else []


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
