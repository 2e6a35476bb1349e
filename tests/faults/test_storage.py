"""Disks that are full, folders without the right to write, folders that vanish."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.processes import WITHOUT_ROOTS_RIGHTS
from tests.support.workflow import wait_until

pytestmark = pytest.mark.faults


def test_a_full_disk(workflow, undisturbed):
    """Files end at 4 MB, where root may a whole file system does; a bundle's frames need more."""
    prefix: tuple[str, ...] = ()
    mounted = False
    workflow.feature("").mkdir()
    if os.getuid() == 0:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(workflow.feature(""))]
        mounted = subprocess.run(mount, check=False).returncode == 0
    if not mounted:
        prefix = ("prlimit", "--fsize=4000000")
    try:
        workflow.run(prefix=prefix, ok=False)
        words = "No space left on device" if mounted else "File too large"
        assert f"cannot write frames: {words}" in workflow.log("decode")
        assert not workflow.features()
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=100m", str(workflow.feature(""))], check=True)
        workflow.run()
        assert workflow.features() == undisturbed.features
    finally:
        if mounted:
            subprocess.run(["umount", str(workflow.feature(""))], check=True)


def test_no_room_for_a_feature(workflow, tmp_path):
    """A feature needs 8 kB, and files end at 4."""
    frames = tmp_path / "a.frames"
    script = [sys.executable, str(ROOT / "scripts/decode.py"), str(workflow.video("test/normal/b.mp4"))]
    subprocess.run([*script, "--clip-length", "8", "--output", str(frames)], check=True)
    command = [sys.executable, str(ROOT / "scripts/extract.py"), "--frames", str(frames), "--weights", "random"]
    command += ["--feature", str(tmp_path / "a.npy"), "--clip-length", "8", "--sample-mode", "center_crop"]
    done = subprocess.run(["prlimit", "--fsize=4096", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"error: cannot write {tmp_path / 'a.npy'}: File too large; correct that" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.npy").exists()


def test_no_right_to_write_below_the_features_tree(workflow, undisturbed):
    locked = workflow.feature("test")
    (locked / "normal").mkdir(parents=True)
    (locked / "normal/kept").touch()  # Snakemake removes folders that a failed job leaves empty
    (locked / "normal").chmod(0o555)
    output = workflow.run("--keep-going", prefix=WITHOUT_ROOTS_RIGHTS, ok=False)
    assert "Permission denied" in output
    rows = workflow.metadata()
    for name in ("a", "b"):
        reason = f"cannot write features/test/normal/{name}.npy: Permission denied"
        assert rows[f"test/normal/{name}.mp4"]["reason"] == reason
    assert set(workflow.features()) == {name for name in undisturbed.features if not name.startswith("test/")}
    (locked / "normal").chmod(0o755)
    extracted = workflow.log("extract").count("model on")
    workflow.run()
    assert workflow.features() == undisturbed.features
    assert workflow.log("extract").count("model on") == extracted, "what was staged is not extracted again"


def test_no_right_to_write_the_features_tree(workflow):
    workflow.feature("").mkdir()
    workflow.feature("").chmod(0o555)
    output = workflow.run(prefix=WITHOUT_ROOTS_RIGHTS, ok=False)
    assert "error: features: features is yours, without the right to use it; run `chmod -R u+rwX features`" in output
    assert "Traceback" not in output


def test_the_features_tree_vanishes_during_the_run(workflow, undisturbed):
    run = workflow.start("--keep-going")
    assert wait_until(lambda: workflow.processes("extract"), lambda: run.going)
    shutil.rmtree(workflow.feature(""))
    code, output = run.end()
    assert code != 0, output
    assert "No such file or directory" in output + workflow.log("extract")
    workflow.run()
    assert workflow.features() == undisturbed.features
