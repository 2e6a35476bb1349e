"""Rows of the metadata table."""

from i3d.records.record import Row


def row(video, status="ok", label=1, *, frames=None, started=None, finished=None, **more):
    """A row of the table; what is not given is empty. `started` and `finished` are datetimes."""
    folders = video.split("/")[:-1] or [""]
    values = {"video": video, "feature_file": video.replace(".mp4", ".npy"), "status": status, "label": label}
    times = {name: time.isoformat() for name, time in (("started", started), ("finished", finished)) if time}
    return Row(**values | {"split": folders[0], "category": folders[-1], "frames_decoded": frames} | times | more)
