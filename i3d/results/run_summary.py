"""feature_config.txt: the summary of each run, as the original scripts wrote it, and more."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from i3d.files import keep_aside, read_file, write_atomically
from i3d.records.record import OK, SKIPPED
from i3d.results.names import METADATA, SUMMARY
from i3d.results.run_account import Account
from i3d.settings import NumericSettings


def run_summary(
    account: Account, videos: Path, settings: NumericSettings, tree: str, passed_over: Mapping[str, int]
) -> dict[str, Any]:
    """The object that one run appends to the summary; the first five keys are as the original scripts wrote them.

    `tree` is the plan's name for what it saw, `passed_over` counts what it did not take for videos, by kind.
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
        "passed_over": dict(passed_over),
        "settings": settings.as_dict(),
        "versions": next((account.rows[video].versions for video in account.made), None) or "",
        "catalog": tree,
    }


def removal_summary(removed: list[str], settings: NumericSettings, tree: str) -> dict[str, Any]:
    """The object for a call that removed orphaned features, and made none; `tree` as for `run_summary`."""
    return {
        "run_date": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "processed_videos": 0,
        "removed_features": removed,
        "settings": settings.as_dict(),
        "catalog": tree,
    }


def read_summary(path: Path) -> list[dict[str, Any]]:
    """The summaries of earlier runs, none if there is no file.

    Raises ValueError if it cannot be read, or is not the JSON list of objects that it should be.
    """
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
    """Add a run to the summary. A file that is no summary is kept beside the new one, never overwritten."""
    try:
        runs = read_summary(path)
    except ValueError:
        keep_aside(path)
        runs = []
    write_atomically(path, json.dumps([*runs, run], indent=4) + "\n")


def tables_are_current(features: Path, tree: str) -> bool:
    """Whether the tables exist and their last run saw the same trees under the same settings."""
    try:
        runs = read_summary(features / SUMMARY)
    except ValueError:
        return False
    return (features / METADATA).is_file() and bool(runs) and runs[-1].get("catalog") == tree


def runs_since(features: Path, before: int = 0) -> list[dict[str, Any]]:
    """The summaries that were written after the first `before`; none where they cannot be read."""
    try:
        return read_summary(features / SUMMARY)[before:]
    except ValueError:
        return []
