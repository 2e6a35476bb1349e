"""What stands in the place of a feature that its bundle did not give."""

import subprocess
import sys

import pytest

from i3d.records import journal
from i3d.records.bundles import BundleEntry, make_bundle, write_bundle
from i3d.records.work_folder import WorkFolder
from i3d.settings import NumericSettings
from tests.support.paths import SCRIPTS
from tests.support.records import record


@pytest.fixture
def place(tmp_path):
    """Runs the program for a feature of a bundle: a video that failed, and a folder of pictures that is skipped.

    Both paths give x.npy when their suffix goes, but the folder's own is x.1.npy.
    """
    work = WorkFolder.beside(tmp_path)
    entries = [
        BundleEntry(video=video, path=video, feature=feature, digest="d", frames=20)
        for video, feature in {"x.mp4": "x.npy", "x.1": "x.1.npy"}.items()
    ]
    bundle = make_bundle(NumericSettings(), entries)
    write_bundle(bundle, work.bundle(bundle.name))
    failed, skipped = (
        record("x.mp4", "failed", reason="no frame for 60 s"),
        record("x.1", "skipped", reason="too short"),
    )
    journal.append(work.journal(bundle.name), [failed, skipped])

    def run(feature: str) -> subprocess.CompletedProcess:
        arguments = [
            "--staged",
            work.staging / feature,
            "--work",
            work.root,
            "--extracted",
            work.extracted / bundle.name,
        ]
        arguments += ["--feature", feature, "--output", tmp_path / feature]
        command = [sys.executable, SCRIPTS / "place_feature.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


def test_each_has_its_own_reason(place, tmp_path):
    failed, skipped, unknown = map(place, ("x.npy", "x.1.npy", "y.npy"))
    assert (failed.returncode, failed.stderr) == (1, "error: x.mp4: failed: no frame for 60 s\n")
    assert (skipped.returncode, skipped.stderr) == (0, "x.1: skipped: too short\n")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "error: y.npy: its bundle left nothing for it; run snakemake again\n",
    )
    assert [path.name for path in tmp_path.glob("*.npy")] == ["x.1.npy"]
    assert (tmp_path / "x.1.npy").stat().st_size == 0
