"""What SLURM itself says of jobs that wait; the words: tests/cluster/test_queue_watch.py."""

import pytest

from i3d.cluster.queue_watch import QueueWatch
from tests.support.slurm_cluster import run, wait_for

pytestmark = pytest.mark.slurm


def test_a_held_job_is_told_apart_from_one_whose_time_comes(tmp_path):
    job = ("sbatch", "--parsable", "--job-name=i3d_waits", "-A", "def-test_gpu", "-o", "/dev/null", "--wrap=true")
    held, later = run(*job, "--hold"), run(*job, "--begin=now+1hour")
    try:
        said: list[str] = []
        watch = QueueWatch("i3d_waits", tmp_path / "queue.txt", said.append, pause=60)
        wait_for(lambda: "Begin" in run("squeue", "-h", "-j", later, "-o", "%r"), "the reason")
        assert watch.look() == 2
        assert set((tmp_path / "queue.txt").read_text().split(", ")) == {"1 held by you", "1 for their time to begin"}
        assert said == [
            f"warning: job {held} waits because a user holds it (JobHeldUser); `scontrol release {held}` lets it go"
        ]
    finally:
        run("scancel", held, later)
