"""Trees that lie on several file systems, and trees that several users share, in whole runs."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.support.processes import WITHOUT_ROOTS_RIGHTS
from tests.support.users import ALICE, BOB, GROUP, able_to_read_all, needs_root, open_folder
from tests.support.workflow import Workflow, write_clip

pytestmark = pytest.mark.faults


@pytest.fixture
def tmp_path():
    with open_folder() as folder:
        yield folder


@pytest.fixture
def elsewhere():
    """A folder on another file system than pytest's."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_parts_of_the_trees_on_other_file_systems(workflow, undisturbed, elsewhere):
    """The work folder is a link, and so is a folder of features; one feature's place is taken, one video moves."""
    workflow.feature("train_val").mkdir(parents=True)
    for link in (".i3d", "train_val/anomaly"):
        (elsewhere / link).mkdir(parents=True)
        workflow.feature(link).symlink_to(elsewhere / link)
    (elsewhere / "train_val/anomaly/c.npy").write_bytes(b"another's")
    workflow.run()
    features = {name: workflow.feature(name).read_bytes() for name in undisturbed.features}
    assert features == undisturbed.features
    assert (workflow.work / "set_aside/train_val/anomaly/c.npy").read_bytes() == b"another's"
    assert {path.name for path in (elsewhere / "train_val/anomaly").iterdir()} == {"c.npy", "d.npy", "e.npy"}

    workflow.video("train_val/anomaly/d.mp4").rename(workflow.video("test/normal/d.mp4"))
    extracted = workflow.log("extract").count("model on")
    workflow.run()
    assert workflow.feature("test/normal/d.npy").read_bytes() == undisturbed.features["train_val/anomaly/d.npy"]
    assert workflow.log("extract").count("model on") == extracted
    assert "Nothing to be done" in workflow.run("-n")


def test_no_right_on_the_other_file_system_is_the_reason(workflow, undisturbed, elsewhere):
    """The true reason stands in the table, and what was staged is not extracted again."""
    workflow.feature("").mkdir()
    (elsewhere / "normal").mkdir()
    (elsewhere / "normal/notes").touch()  # Snakemake removes empty folders after a failure
    (elsewhere / "normal").chmod(0o555)
    workflow.feature("test").symlink_to(elsewhere)
    output = workflow.run("--keep-going", prefix=WITHOUT_ROOTS_RIGHTS, ok=False)
    rows = workflow.metadata()
    for name in ("a", "b"):
        reason = f"cannot write features/test/normal/{name}.npy: Permission denied"
        assert rows[f"test/normal/{name}.mp4"]["reason"] == reason, output
    (elsewhere / "normal").chmod(0o755)
    extracted = workflow.log("extract").count("model on")
    workflow.run()
    assert {name: workflow.feature(name).read_bytes() for name in undisturbed.features} == undisturbed.features
    assert workflow.log("extract").count("model on") == extracted


@needs_root
def test_two_users_of_a_group_go_on_by_turns(tmp_path, undisturbed):
    """Each in a clone of their own, on the same trees; one lets the group read what it writes, one not even that."""
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, ALICE, GROUP)
    shared.chmod(0o2770)
    trees = {"videos": shared / "videos", "features": shared / "features"}
    clones = {}
    for user in (ALICE, BOB):
        clones[user] = Workflow(tmp_path / str(user), {}, **trees)
        os.chown(clones[user].folder, user, GROUP)
    alice, bob = clones.values()

    def run(clone: Workflow, *arguments: str, ok: bool = True, **config: object) -> str:
        user, umask = (ALICE, 0o077) if clone is alice else (BOB, 0o022)
        return clone.run(*arguments, prefix=tuple(able_to_read_all(user, umask, clone.folder)), ok=ok, **config)

    for seed, (name, frames) in enumerate((("test/normal/a.mp4", 17), ("test/normal/b.mp4", 9))):
        write_clip(alice.video(name), frames, seed)
    run(alice)
    for seed, name in enumerate("cde", 2):
        write_clip(alice.video(f"train_val/anomaly/{name}.mp4"), 9, seed)
    run(bob)
    assert alice.features() == undisturbed.features
    assert "Nothing to be done" in run(alice, "-n")

    run(alice, frequency=4)
    assert {row["frequency"] for row in alice.metadata().values()} == {"4"}
    run(bob)
    assert alice.features() == undisturbed.features, "each has replaced the other's"
    run(bob, "lists")

    lock = alice.feature(".i3d/lock")
    lock.chmod(0o600)
    said = run(bob, frequency=4, ok=False).rstrip().splitlines()[-1]
    assert said.startswith(f"error: features: {lock} is ") and f"chmod -R g+rwX {shared / 'features'}" in said
    for path in (shared / "features", *(shared / "features").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022 | 0o044)
    reader = alice if lock.stat().st_uid == BOB else bob
    planned = run(reader, "-n", normalization="kinetics")
    assert "5: 0 present, 5 to extract" in planned and "rule decode" not in planned
    write_clip(reader.video("test/normal/f.mp4"), 9, 5)
    assert "is not yours to write; exports are made from" in run(reader, "lists")
    run(reader, "report")
    assert "All 5 videos have features" in (reader.folder / "i3d_report/index.html").read_text()
    own = [str(reader.feature(f"test/normal/{name}.npy")) for name in "ab"]
    assert (reader.folder / "dataset/lists/test.list").read_text().splitlines() == own
