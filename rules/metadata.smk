"""Inputs of the exports and the report: the table that the last run left.

The report's rules take the table by its content, as params. As an input it would start that run again.
"""

import os

from i3d.digests import file_sha256
from i3d.exports.making import check_annotations

TABLE = str(FEATURES / METADATA)


def table_digest(wildcards) -> str:
    """The digest of the table's content."""
    with exit_on_user_error():
        if not Path(TABLE).exists():
            raise UserError(f"{TABLE}: no such table; run snakemake first, it writes it")
    return file_sha256(Path(TABLE))


def tables_for(target):
    """A function for `input:` that gives what a target of exports has to wait for."""

    def tables(wildcards) -> list[str]:
        with exit_on_user_error():
            check_annotations(target, SETTINGS)
        return tables_if_due(wildcards)

    return tables


def other_features(wildcards) -> str:
    """The tree of features to compare with."""
    with exit_on_user_error():
        if SETTINGS.compare is None:
            raise UserError("compare: name the other tree of features, `--config compare=/path/published`")
    return SETTINGS.compare


def asked_for(wildcards) -> str:
    """The targets of this run by their names in this workflow, without those of files."""
    names = (Path(target).name for target in snakemake_internals.targets(workflow))
    return " ".join(name for name in names if name.replace("_", "").isalnum())


def annotations_if_any(wildcards) -> list[str]:
    """The annotation file, where one is set and there; the report does without."""
    path = SETTINGS.ground_truth.annotations
    return [in_rules(path)] if path and os.path.exists(path) else []


def figure(name, category, title):
    """A figure or page of the report, with its caption."""
    return report(
        f"<report>/{name}",
        caption=f"report/{Path(name).stem}.rst",
        category=category,
        labels={"figure": title},
    )


def folder_of_output(wildcards, output) -> str:
    """Where the first output lies."""
    return str(Path(output[0]).parent)
