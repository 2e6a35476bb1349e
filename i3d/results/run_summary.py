"""feature_config.txt: a summary per run, with the keys of the original scripts and more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from i3d.files import keep_aside, read_file, write_atomically
from i3d.records.record import OK, SKIPPED, VideoRecord
from i3d.results.metadata import is_table
from i3d.results.names import METADATA, SUMMARY
from i3d.settings import NumericSettings


@dataclass
class Account:
    """What became of the videos of a run, each by its path under the videos tree, in order.

    `rows` describe the features as they are now, all else what this run did: features made and moved, videos failed
    and not done with the reason, and videos `kept` whose features were to be made anew and were not.
    """

    rows: dict[str, VideoRecord]
    made: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_done: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def run_summary(
    account: Account, videos: Path, settings: NumericSettings, tree: str, passed_over: Mapping[str, int]
) -> dict[str, Any]:
    """Return the object that a run appends to the summary; the first five keys are those of the original scripts.

    `tree` is the plan's name for the trees as it saw them, `passed_over` the number of other files by kind.
    """
    skipped = {video: row.reason or "" for video, row in account.rows.items() if row.status == SKIPPED}
    reasons = skipped | account.failed | account.not_done
    return {
        "run_date": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "total_videos": len(account.rows),
        "videos_skipped": len(skipped),
        "skipped_video_list": [str(videos / video) for video in skipped],
        "processed_videos": len(account.made),
        "moved_videos": len(account.moved),
        "failed_videos": len(account.failed),
        "failed_video_list": [str(videos / video) for video in account.failed],
        "not_done_videos": len(account.not_done),
        "kept_videos": len(account.kept),
        "reasons": {str(videos / video): reason for video, reason in reasons.items()},
        "present_videos": sum(row.status == OK for row in account.rows.values()),
        "damaged_videos": sum(row.status == OK and bool(row.damaged) for row in account.rows.values()),
        "passed_over": dict(passed_over),
        "settings": settings.as_dict(),
        "versions": next((account.rows[video].versions for video in account.made), None) or "",
        "catalog": tree,
    }


def removal_summary(removed: list[str], settings: NumericSettings, tree: str) -> dict[str, Any]:
    """Return the object for a call that only removed orphaned features; `tree` as for `run_summary`."""
    return {
        "run_date": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "processed_videos": 0,
        "removed_features": removed,
        "settings": settings.as_dict(),
        "catalog": tree,
    }


def read_summary(path: Path) -> list[dict[str, Any]]:
    """Read the summaries of earlier runs, none without a file. Raises ValueError if it is not a list of objects."""
    try:
        runs = json.loads(read_file(path))
    except FileNotFoundError:
        return []
    except (OSError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise ValueError(f"{path} is not a JSON list of objects")
    return runs


def append_summary(path: Path, run: dict[str, Any]) -> None:
    """Append a run to the summary. A file that is no summary is kept beside the new one."""
    try:
        runs = read_summary(path)
    except ValueError:
        keep_aside(path)
        runs = []
    write_atomically(path, json.dumps([*runs, run], indent=4) + "\n")


def foreign_tables(features: Path) -> list[Path]:
    """Return the files in the place of the tables that the workflow did not write."""
    table, summary = features / METADATA, features / SUMMARY
    foreign = []
    try:
        if not is_table(table):
            foreign.append(table)
    except OSError:  # a folder, say
        foreign.append(table)
    try:
        read_summary(summary)
    except ValueError:
        foreign.append(summary)
    return foreign


def tables_are_current(features: Path, tree: str) -> bool:
    """Whether the tables exist and their last run saw the same trees under the same settings."""
    runs = runs_since(features)
    return (features / METADATA).is_file() and bool(runs) and runs[-1].get("catalog") == tree


def runs_since(features: Path, before: int = 0) -> list[dict[str, Any]]:
    """Return all summaries after the first `before`; none where they cannot be read."""
    try:
        return read_summary(features / SUMMARY)[before:]
    except ValueError:
        return []
