"""The run's own account: the metadata table, the run summary, and the tidying of the work folder."""

import csv
import json
import os
import shutil
from datetime import datetime
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from i3d.planning.bundles import read_bundle
from i3d.records.outcomes import (
    FAILED,
    OK,
    SKIPPED,
    Checksums,
    Record,
    Work,
    feature_is,
    read_outcomes,
    read_staged,
    write_atomically,
    write_outcomes,
)

METADATA = "metadata.csv"
SUMMARY = "feature_config.txt"
COLUMNS = [  # of the metadata table
    "video",
    "feature_file",
    "status",
    "reason",
    "snippets",
    "crops",
    "dim",
    "split",
    "category",
    "label",
    "frames_declared",
    "frames_decoded",
    "fps",
    "width",
    "height",
    "decoder",
    "decoder_reason",
    "damaged",
    "seconds",
    "weights",
    "weights_sha256",
    "model",
    "normalization",
    "precision",
    "sample_mode",
    "frequency",
    "clip_length",
    "resample_fps",
    "device",
    "bundle",
    "finished",
    "versions",
]
NOT_DONE = "not done: the job of its bundle did not finish, see its log; the next run takes it up"


def split_of(video: str) -> str:
    """`train_val` of `train_val/anomaly/x.mp4`: the first folder, or nothing."""
    folders = PurePosixPath(video).parts[:-1]
    return folders[0] if folders else ""


def category_of(video: str) -> str:
    """`anomaly` of `train_val/anomaly/x.mp4`: the last folder, or nothing."""
    folders = PurePosixPath(video).parts[:-1]
    return folders[-1] if folders else ""


def label_of(category: str) -> str:
    """1 for a category of anomalies, 0 for one of normal videos, told by how the name begins; else nothing."""
    name = category.lower()
    if name.startswith(("non_anomal", "normal")):
        return "0"
    return "1" if name.startswith("anomal") else ""


def metadata_rows(plan: dict[str, Any], work: Work, features: Path, videos: Path) -> dict[str, Record]:
    """One row per video, sorted by path: the plan's, and those that runs on other subsets left behind.

    `plan` is the content of the plan file, `features` and `videos` are the trees.
    """
    records = read_outcomes(work.outcomes)
    checksums = Checksums(work)
    rows: dict[str, Record] = {}
    for record in [*read_metadata(features / METADATA), *records.values()]:
        if record.get("video") not in plan["features"] and _still_there(record, features, videos):
            rows[record["video"]] = record
    for video, feature in plan["features"].items():
        rows[video] = plan["skipped"].get(video) or _row(plan, video, features / feature, records.get(video), checksums)
    checksums.save()
    for video, row in rows.items():
        category = category_of(video)
        rows[video] = row | {"split": split_of(video), "category": category, "label": label_of(category)}
    return dict(sorted(rows.items()))


def _still_there(record: Record, features: Path, videos: Path) -> bool:
    if record.get("status") == OK:
        return bool(record.get("feature_file")) and (features / record["feature_file"]).is_file()
    return record.get("status") in (SKIPPED, FAILED) and (videos / record["video"]).is_file()


def _row(plan: dict[str, Any], video: str, feature: Path, record: Record | None, checksums: Checksums) -> Record:
    if record is not None and record["fingerprint"] == plan["fingerprint"]:
        if record["status"] != OK:
            return record | {"feature_file": ""}
        if feature_is(record, feature, checksums.of):
            return record
    return {"video": video, "status": FAILED, "reason": NOT_DONE}


def read_metadata(path: Path) -> list[Record]:
    """The rows of an existing table, all values as text; none if there is no table."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_metadata(path: Path, rows: dict[str, Record]) -> None:
    """Write the table; a value that is not known is left empty."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    write_atomically(path, text.getvalue())


def run_summary(plan: dict[str, Any], rows: dict[str, Record], videos: Path) -> dict[str, Any]:
    """The object that one run appends to the summary; the first five keys are as the original scripts wrote them."""
    of_run = {video: rows[video] for video in plan["features"]}
    skipped = {video: row["reason"] for video, row in of_run.items() if row["status"] == SKIPPED}
    failed = {video: row["reason"] for video, row in of_run.items() if row["status"] == FAILED}
    processed = [video for video in plan["pending"] if of_run[video]["status"] == OK]
    return {
        "run_date": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "total_videos": len(of_run),
        "videos_skipped": len(skipped),
        "skipped_video_list": [str(videos / video) for video in skipped],
        "processed_videos": len(processed),
        "failed_videos": len(failed),
        "failed_video_list": [str(videos / video) for video in failed],
        "reasons": {str(videos / video): reason for video, reason in (skipped | failed).items()},
        "present_videos": sum(row["status"] == OK for row in of_run.values()),
        "settings": plan["settings"],
        "versions": next((of_run[video]["versions"] for video in processed), ""),
        "catalog": plan["catalog"],
    }


def read_summary(path: Path) -> list[dict[str, Any]]:
    """The summaries of earlier runs. Raises ValueError if the file is not the JSON list it should be."""
    if not path.exists():
        return []
    runs = json.loads(path.read_text())
    if not isinstance(runs, list):
        raise ValueError(f"{path} is not a JSON list")
    return runs


def append_summary(path: Path, run: dict[str, Any]) -> None:
    """Add a run to the summary. A file that is no summary is kept beside the new one, never overwritten."""
    try:
        runs = read_summary(path)
    except ValueError:
        path.replace(path.with_name(path.name + ".damaged"))
        runs = []
    write_atomically(path, json.dumps([*runs, run], indent=4) + "\n")


def tables_are_current(features: Path, catalog: str) -> bool:
    """Whether the tables exist and their last run saw this catalog."""
    try:
        runs = read_summary(features / SUMMARY)
    except ValueError:
        return False
    return (features / METADATA).exists() and bool(runs) and runs[-1].get("catalog") == catalog


def put_in_place(work: Work, plan: dict[str, Any]) -> dict[str, str]:
    """Move to the features tree what was finished and is not there, and put it on record.

    That is something after a failure only. Returns the videos for whose features there was no place, with the reason;
    these stay in staging.
    """
    refused = {}
    for name in dict.fromkeys(plan["pending"].values()):
        path = work.bundles / f"{name}.json"
        if not path.exists():
            continue
        bundle = read_bundle(path)
        found = [
            (entry, record | {"bundle": name})
            for entry in bundle["videos"]
            if (record := read_staged(work.staging, entry, bundle["fingerprint"]))
        ]
        outcomes = work.outcomes / f"{name}.jsonl"
        if found and not outcomes.exists():
            write_outcomes(outcomes, (record for _, record in found))
        for entry, record in found:
            if record["status"] == OK:
                feature = work.root.parent / entry["feature"]
                try:
                    feature.parent.mkdir(parents=True, exist_ok=True)
                    (work.staging / entry["feature"]).replace(feature)
                    os.utime(feature)  # newer than the outcomes, as after the feature rule
                except OSError as error:
                    refused[entry["video"]] = f"cannot write {feature}: {error.strerror}"
    return refused


def tidy(
    work: Work, plan_path: Path, plan: dict[str, Any], *, keep_frames: bool = False, keep_staging: bool = False
) -> None:
    """Remove what this run and broken ones before it left in the work folder.

    There stay the catalog, the checksums, the lock, the outcomes and this run's plan; after a failure also the bundles
    that it did not finish, and the staging tree if they or `keep_staging` ask for it.
    """
    unfinished = {bundle for bundle in plan["pending"].values() if not (work.outcomes / f"{bundle}.jsonl").exists()}
    for folder, suffix, wanted in (
        (work.plans, ".json", {plan_path.stem}),
        (work.bundles, ".json", unfinished),
    ):
        for path in folder.glob("*" + suffix):
            if path.stem not in wanted:
                path.unlink(missing_ok=True)
    for folder in (work.root, work.plans, work.bundles, work.outcomes, work.root.parent):
        for path in folder.glob("*.part"):
            path.unlink(missing_ok=True)
    if not (unfinished or keep_staging):
        shutil.rmtree(work.staging, ignore_errors=True)
    if not keep_frames:
        shutil.rmtree(work.frames, ignore_errors=True)
