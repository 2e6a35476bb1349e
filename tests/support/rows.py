"""Rows of the metadata table."""

from dataclasses import MISSING, fields

from i3d.records.record import Row


def row(video, status="ok", label=1, **more):
    """A row of the table; what is not given is empty."""
    folders = video.split("/")[:-1] or [""]
    values = {field.name: None if field.default is MISSING else field.default for field in fields(Row)}
    values |= {"reason": "", "damaged": "", "device": ""}
    values |= {"video": video, "feature_file": video.replace(".mp4", ".npy"), "status": status, "label": label}
    return Row(**values | {"split": folders[0], "category": folders[-1]} | more)
