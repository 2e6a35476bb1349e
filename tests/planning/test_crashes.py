"""A crash before every single change of the disk, from the plan to the tables: nothing wrong is ever trusted, nothing
finished is lost, and one more run ends all. The real thing is killed in tests/faults/test_kills.py."""

import io
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from i3d.frame_stream import FRAME_SHAPE, StreamWriter
from i3d.network.extraction import Extraction
from i3d.records import journal
from i3d.records.record import SKIPPED
from i3d.results.metadata import read_metadata
from scripts import aggregate
from tests.support.plans import make_plan

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime"}
FRAMES = {"a": 20, "b": 33, "short": 8, "n17": 17}  # decoded; planning takes all of them for long
NAN = "n17"
FEATURES = {"a": 2, "b": 4, "n17": 2}  # snippets


class Crash(BaseException):
    """The machine is off."""


class Disk:
    """Counts changes of the disk, and lets none happen from the `last`-th on."""

    def __init__(self) -> None:
        self.changes, self.last, self.watching = 0, None, False
        fsync = os.fsync

        def watched_fsync(number):
            self.change()
            fsync(number)

        os.fsync = watched_fsync
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if self.watching and (writes or event in CHANGES):
            self.change()

    def change(self) -> None:
        if self.watching:
            if self.last is not None and self.changes >= self.last:
                raise Crash
            self.changes += 1

    def run(self, config, last: int | None = None) -> int:
        """A run that crashes at the `last`-th change; returns how many changes there were."""
        self.changes, self.last, self.watching = 0, last, True
        try:
            run(config)
        except Crash:
            pass
        finally:
            self.watching = False
        return self.changes


disk = Disk()  # an audit hook cannot be taken out again


class MeanEngine:
    """In the network's place: every feature of a snippet is the mean of its frames."""

    dim, crops, batch_size = 2048, 1, 3

    def buffer(self, snippets, clip_length):
        return torch.zeros((snippets, clip_length, *FRAME_SHAPE), dtype=torch.uint8)

    def launch(self, snippets):
        means = snippets[:, :, ::64, ::64].float().mean((1, 2, 3, 4))
        features = means[:, None, None].expand(-1, 1, 2048).numpy().astype(np.float32)
        features[means == ord(NAN[0])] = np.nan
        return SimpleNamespace(collect=lambda: features)


def run(config) -> None:
    """What Snakemake does: the plan, each bundle, each feature, the tables."""
    plan = make_plan(config)
    plan.write()
    plan.stage_moved()
    for bundle in plan.bundles:
        extract(plan, bundle)
        plan.work.extracted.mkdir(exist_ok=True)
        (plan.work.extracted / bundle.name).touch()
    for video in plan.due:
        place(plan, plan.videos[video].file.feature)
    sys.argv = ["aggregate.py", "--plan", str(plan.path)]
    aggregate.main()


def extract(plan, bundle) -> None:
    """The decode and extract jobs of a bundle."""
    file = io.BytesIO()
    writer = StreamWriter(file)
    for number, entry in enumerate(bundle.videos):
        name = entry.video.removeprefix("test/").removesuffix(".mp4")
        frames = np.broadcast_to(np.uint8(ord(name[0])), (FRAMES[name], *FRAME_SHAPE))
        writer.begin(number, {"decoding": bundle.settings.decoding})
        writer.frames(number, frames)
        writer.end(number, {"status": "ok", "frames_decoded": len(frames), "reason": None})
    writer.close()
    file.seek(0)
    provenance = {"bundle": bundle.name, "fingerprint": bundle.fingerprint, "tree": bundle.tree}
    written = plan.work.journal(bundle.name)
    for _ in Extraction(MeanEngine(), bundle.videos, plan.work.staging, bundle.settings, provenance, written).run(file):
        pass


def place(plan, feature: str) -> None:
    """The feature rule."""
    target, staged = plan.work.features / feature, plan.work.staging / feature
    target.parent.mkdir(parents=True, exist_ok=True)
    if staged.exists():
        staged.replace(target)
        return
    records = journal.read(plan.work.journal(plan.bundle_of(feature)))
    if [record.status for record in records if record.video == feature.replace(".npy", ".mp4")][-1:] == [SKIPPED]:
        target.touch()


def check(config, complete: bool) -> None:
    """What a plan takes for present is right; a complete tree is so in every respect."""
    plan = make_plan(config)
    for video in plan.present:
        name = video.removeprefix("test/").removesuffix(".mp4")
        feature = np.load(plan.work.features / f"test/{name}.npy")
        assert (feature.shape, set(feature.ravel().tolist())) == ((FEATURES[name], 1, 2048), {float(ord(name[0]))})
    if complete:
        assert [*plan.present, *plan.pending] == ["test/a.mp4", "test/b.mp4", "test/n17.mp4"], "n17 failed"
        assert {row.video: row.status for row in read_metadata(plan.work.features / "metadata.csv")} == {
            "test/a.mp4": "ok",
            "test/b.mp4": "ok",
            "test/n17.mp4": "failed",
            "test/short.mp4": "skipped",
        }
        files = {path.name for path in (plan.work.features / "test").iterdir()}
        assert files == {"a.npy", "b.npy"}
        assert not list(plan.work.root.rglob("*.part")) and not plan.work.staging.exists()


@pytest.fixture
def tree(config, tmp_path):
    """A tree of four videos of which one turns out to be short and one to overflow; a new one at each call."""
    for name in ("long", "broken"):
        (tmp_path / f"videos/test/{name}.mp4").unlink()
    (tmp_path / "videos/test/short.mp4").write_bytes(b"a short")  # planning takes it for long
    numbers = iter(range(10_000))

    def new():
        return config | {"features": str(tmp_path / f"features{next(numbers)}"), "clip_length": 8, "frequency": 8}

    return new


def test_a_crash_before_any_change_of_the_disk(tree):
    undisturbed = tree()
    changes = disk.run(undisturbed)
    check(undisturbed, complete=True)
    assert changes > 30
    for last in range(changes):
        config = tree()
        disk.run(config, last)
        check(config, complete=False)
        disk.run(config)
        check(config, complete=True)


def test_a_crash_while_a_crash_is_repaired(tree):
    changes = disk.run(tree())
    for last in range(0, changes, 3):
        config = tree()
        disk.run(config, last)
        repair = disk.run(config, last // 2)
        assert repair <= changes
        check(config, complete=False)
        disk.run(config)
        check(config, complete=True)


def test_a_crash_while_a_moved_video_is_taken_along(tree, tmp_path):
    one, other = tmp_path / "videos/test/a.mp4", tmp_path / "videos/test/b2.mp4"
    for last in range(200):
        config = tree()
        disk.run(config)
        before = (tmp_path / config["features"] / "test/a.npy").read_bytes()
        one.rename(other)
        FRAMES["b2"] = 1  # extracting it anew would show
        changes = disk.run(config, last)
        disk.run(config)
        plan = make_plan(config)
        assert list(plan.present) == ["test/b.mp4", "test/b2.mp4"] and not plan.orphaned
        assert (plan.work.features / "test/b2.npy").read_bytes() == before
        assert not (plan.work.features / "test/a.npy").exists()
        other.rename(one)
        if changes < last:
            return
    raise AssertionError("it never came to its end")


def test_a_crash_while_two_videos_change_places(tree, tmp_path):
    a, b, free = (tmp_path / f"videos/test/{name}.mp4" for name in ("a", "b", "free"))
    for last in range(200):
        config = tree()
        disk.run(config)
        features = [tmp_path / config["features"] / f"test/{name}.npy" for name in ("a", "b")]
        before = [path.read_bytes() for path in features]
        for source, target in ((a, free), (b, a), (free, b)):
            source.rename(target)
        changes = disk.run(config, last)
        disk.run(config)
        assert list(make_plan(config).present) == ["test/a.mp4", "test/b.mp4"]
        assert [path.read_bytes() for path in reversed(features)] == before, "extracting them anew would show"
        if changes < last:
            return
    raise AssertionError("it never came to its end")
