"""One tree with everything that once stopped a run: the good videos are done, every other has a row with a reason."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow

FOLDER = "test/normal"
GOOD = [
    "plain.mp4",
    "x" * 251 + ".mp4",
    "漢" * 83 + ".mp4",
    "cam_" + "0" * 30 + ".mp4",
    "$(touch pwned).mp4",
    "-rf.mp4",
    "a b'\"#%.mp4",
    "f.npy/inside.mp4",
    "caf\u00e9.mp4",
    "cafe\u0301.mp4",
]
BAD = {  # by the name in the table, what the reason says
    "{x}.mp4": "cannot take { or }",
    "<y>.mp4": "cannot take < or >",
    "two\\nlines.mp4": "control characters",
    "latin\\xe9.mp4": "not UTF-8",
    "z" * 252 + ".ts": "256 bytes",
    "two.mp4": "all give two.npy",
    "two.avi": "all give two.npy",
    "f.mp4": "a folder of videos is called f.npy",
    "blocked.mp4": "a folder in the place of its feature file",
    "dangling.mp4": "a link to nothing",
    "loop.mp4": "a link to itself",
    "pipe.mp4": "not a regular file",
    "device.mp4": "not a regular file",
    "memory.mp4": "unreadable",  # /proc/self/mem: reading it is an I/O error
    "empty.mp4": "empty file",
    "text.mp4": "not a video",
    "frameless.mp4": "no frame could be decoded",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Workflow:
    """The tree, in a folder of its own whose path alone is longer than a file name may be."""
    clips = {f"{FOLDER}/{name}": 17 for name in GOOD}
    project = Workflow(tmp_path_factory.mktemp("odd"), clips, features="/".join(("f" * 125, "g" * 125)))
    folder = project.video(FOLDER)
    content = (folder / "plain.mp4").read_bytes()
    for name in (
        "{x}.mp4",
        "<y>.mp4",
        "two\nlines.mp4",
        "z" * 252 + ".ts",
        "two.mp4",
        "two.avi",
        "f.mp4",
        "blocked.mp4",
    ):
        (folder / name).write_bytes(content)
    Path(os.fsdecode(os.fsencode(folder) + b"/latin\xe9.mp4")).write_bytes(content)
    links = {"dangling": "nothing", "loop": "loop.mp4", "device": "/dev/null", "memory": "/proc/self/mem"}
    for name, target in links.items():
        (folder / f"{name}.mp4").symlink_to(target)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("hello")
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    start, end = (start, end) if start < end else (start, len(content))
    (folder / "frameless.mp4").write_bytes(content[:start] + bytes(end - start) + content[end:])
    project.feature("test/normal/blocked.npy/full").mkdir(parents=True)
    return project


def test_the_good_are_done_and_the_others_have_their_reasons(project):
    output = project.run(cores=2)
    assert "Traceback" not in output
    rows = {video.removeprefix("test/normal/"): row for video, row in project.metadata().items()}
    assert rows.keys() == {*GOOD, *BAD}
    for name in GOOD:
        assert rows[name]["status"] == "ok", rows[name]["reason"]
        feature = np.load(project.feature(rows[name]["feature_file"]))
        assert feature.shape == (2, 1, 2048) and np.isfinite(feature).all()
    for name, reason in BAD.items():
        assert (rows[name]["status"], reason in rows[name]["reason"]) == ("skipped", True), rows[name]["reason"]
    made = [path for path in project.feature("").rglob("*.npy") if path.is_file()]
    assert len(made) == len(GOOD), "no stand-in is left"
    assert not (project.folder / "pwned").exists()
    assert "Nothing to be done" in project.run("-n")
