"""Remembering what was learnt of videos and features, and no more than that."""

import os

import pytest
from PIL import Image

from i3d.decoding.probe import Probe
from i3d.digests import video_digest
from i3d.errors import UserError
from i3d.planning import catalog
from i3d.planning.catalog import Catalog
from i3d.planning.tree import find_videos

OPTIONS = {"clip_length": 16, "fps": None}
KNOWN = Probe(frames=40, exact=True, fps=25.0, width=4, height=2)


@pytest.fixture
def root(tmp_path):
    """A tree of two videos."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(name.encode())
    return tmp_path / "videos"


def videos(root):
    return find_videos(root, ["mp4"]).videos


def learn(root, path, **options):
    known = Catalog(path)
    learnt = known.learn(videos(root), **OPTIONS | options)
    known.save()
    return learnt


def test_only_new_and_changed_files_are_probed(root, tmp_path, monkeypatch):
    probed, cache, fps = [], tmp_path / "catalog.json", [None]

    def probe_many(paths, **options):
        probed.append(sorted(path.name for path in paths))
        return [(path, KNOWN) for path in paths]

    def change_behind_its_time():
        status = (root / "a.mp4").stat()
        (root / "a.mp4").write_bytes(b"A.mp4")
        os.utime(root / "a.mp4", ns=(status.st_atime_ns, status.st_mtime_ns))

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    for spoil, expected in (
        (lambda: None, ["a.mp4", "b.mp4"]),
        (lambda: None, []),
        (lambda: (root / "b.mp4").write_bytes(b"xy"), ["b.mp4"]),
        (change_behind_its_time, ["a.mp4"]),
        (lambda: os.utime(root / "a.mp4", (1, 1)), []),  # touched, the same content
        (lambda: (root / "a.mp4").chmod(0o600), []),
        (lambda: fps.__setitem__(0, 30.0), ["a.mp4", "b.mp4"]),
        (lambda: cache.write_text("{"), ["a.mp4", "b.mp4"]),
        (lambda: cache.write_text("[]"), ["a.mp4", "b.mp4"]),
        (lambda: cache.write_bytes(b"\xff" + cache.read_bytes()), ["a.mp4", "b.mp4"]),
        (lambda: cache.write_bytes(b"[" * 10**6), ["a.mp4", "b.mp4"]),
        (lambda: cache.write_text(cache.read_text().replace('"digest":"', '"digest":["', 1)), ["a.mp4", "b.mp4"]),
    ):
        spoil()
        known = learn(root, cache, fps=fps[0])
        assert probed.pop() == expected
        assert [item.probe.frames for item in known] == [40, 40]
        assert known[0].digest != "" and known[0].file.video == "a.mp4"


def test_an_interrupted_plan_keeps_what_it_had_learnt(root, tmp_path, monkeypatch):
    def probe_many(paths, **options):
        for path in paths:
            if path.name == "b.mp4":
                raise KeyboardInterrupt
            yield path, KNOWN

    monkeypatch.setattr(catalog, "probe_many", probe_many)
    monkeypatch.setattr(catalog, "SAVE_SECONDS", -1)
    with pytest.raises(KeyboardInterrupt):
        learn(root, tmp_path / "catalog.json")
    assert list(Catalog(tmp_path / "catalog.json").videos) == ["a.mp4"]


def test_a_probe_that_learnt_nothing_is_not_remembered(root, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "probe_many", lambda paths, **options: [(path, Probe()) for path in paths])
    assert [item.probe for item in learn(root, tmp_path / "catalog.json")] == [Probe(), Probe()]
    assert Catalog(tmp_path / "catalog.json").videos == {}


def test_content_that_cannot_be_read_is_left_to_decoding(root, tmp_path, monkeypatch):
    found = videos(root)
    (root / "a.mp4").unlink()
    monkeypatch.setattr(catalog, "probe_many", lambda paths, **options: [(path, KNOWN) for path in paths])
    known = Catalog(tmp_path / "catalog.json").learn(found, **OPTIONS)
    assert [(item.digest == catalog.UNREAD, item.probe) for item in known] == [(True, Probe()), (False, KNOWN)]


def test_planning_without_the_reader_is_refused(root, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="has no package 'av'"):
        learn(root, tmp_path / "catalog.json")


def test_a_feature_in_place_is_read_once(tmp_path, monkeypatch):
    feature = tmp_path / "a.npy"
    feature.write_bytes(b"features")
    reads = []
    monkeypatch.setattr(catalog, "file_sha256", lambda path: reads.append(path) or "sum")
    for _ in range(2):
        known = Catalog(tmp_path / "catalog.json")
        assert known.sha256_of(feature, "a.npy") == "sum"
        known.save()
    assert len(reads) == 1
    os.utime(feature, (1, 1))
    assert Catalog(tmp_path / "catalog.json").sha256_of(feature, "a.npy") == "sum"
    assert len(reads) == 2, "another time may mean another content"


def test_a_folder_of_pictures_is_known_like_any_video(root, tmp_path, capsys):
    folder = root / "frames"
    folder.mkdir()
    for number in range(9):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(folder / f"{number}.png")
    probed = Probe(9, True, None, 6, 4, codec="png", declared=9)
    (item,) = (item for item in learn(root, tmp_path / "catalog.json") if item.file.is_folder)
    assert (item.digest, item.probe) == (video_digest(folder), probed)
    assert "pictures" not in capsys.readouterr().err
    (item,) = (item for item in learn(root, tmp_path / "catalog.json", fps=5.0) if item.file.is_folder)
    assert item.probe == probed
    warning = "warning: fps: 1 folder of pictures, like frames: pictures have no times, each is taken once\n"
    assert capsys.readouterr().err == warning
    (folder / "4.png").unlink()
    (item,) = (item for item in learn(root, tmp_path / "catalog.json") if item.file.is_folder)
    assert (item.digest, item.probe.frames) == (video_digest(folder), 8)
    assert item.probe.damaged == "1 of the numbers 0 to 8 is missing"
