"""The Narval profile on a real SLURM: what the jobs ask for, and what is left after every kind of trouble."""

import pytest

from .conftest import LONG, NEWEST, PINNED, SHORT, Project

pytestmark = pytest.mark.slurm

ODD_NAMES = [
    "train_val/anomaly/$HOME `id` $(id).mp4",
    'train_val/anomaly/it\'s "quoted" & 100%; #1.mp4',
    "train_val/non_anomaly/a {} * [c] é\\n.1.mp4",
]


@pytest.mark.parametrize("venv", [PINNED, NEWEST], ids=["pinned", "newest"])
def test_bundles_are_single_jobs_that_ask_for_what_the_profile_says(project: Project, venv):
    for name in ODD_NAMES:
        project.clip(name, SHORT)
    project.clip("test/anomaly/hollow.mp4", LONG)
    hollow = project.videos / "test/anomaly/hollow.mp4"
    hollow.write_bytes(empty_frames(hollow.read_bytes()))  # only decoding finds that out
    (project.videos / "test/anomaly/text.mp4").write_text("no video at all")

    assert project.snakemake(venv=venv, config=(f"bundle_frames={LONG}",)) == 1, "the hollow video's job must fail"

    jobs = project.jobs()
    assert [job["State"] for job in jobs] == ["COMPLETED"] * 2
    for job in jobs:
        assert job["Account"] == "def-test_gpu"
        assert job["Timelimit"] == "01:00:00"
        assert set(job["AllocTRES"].split(",")) >= {
            "cpu=4",
            "mem=40G",
            "gres/gpu:a100_4g.20gb=1",
            "gres/gpu=1",
            "node=1",
        }
    assert project.published() == {f"{name.removesuffix('.mp4')}.npy" for name in ODD_NAMES}
    rows = project.rows()
    assert [rows[name]["status"] for name in ODD_NAMES] == ["ok"] * 3
    assert rows["test/anomaly/hollow.mp4"]["status"] == "skipped"
    assert "unreadable" in rows["test/anomaly/hollow.mp4"]["reason"]
    assert "unreadable" in rows["test/anomaly/text.mp4"]["reason"]

    assert project.snakemake(venv=venv, config=(f"bundle_frames={LONG}",)) == 0
    assert len(project.jobs()) == 2, "a second run has nothing to submit"


def empty_frames(video: bytes) -> bytes:
    """An MP4 whose media data are zeros."""
    start = video.index(b"mdat") + 4
    size = int.from_bytes(video[start - 8 : start - 4], "big") - 8
    return video[:start] + bytes(size) + video[start + size :]
