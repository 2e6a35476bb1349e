"""Why jobs wait, in words."""

from collections import Counter

import pytest

from i3d.cluster import queue_watch
from i3d.cluster.queue_watch import QueueWatch, held_text, waiting_text


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """A watch, the queue that it sees, and what it says."""
    queue, said = [], []
    monkeypatch.setattr(queue_watch, "ask", lambda *command, **_: "".join(f"{line}\n" for line in queue))
    made = QueueWatch("i3d_a", tmp_path / "queue.txt", said.append, pause=60)
    made.queue, made.said = queue, said
    return made


def test_the_reasons_are_counted_and_the_unusual_ones_told_once(watch, tmp_path):
    watch.queue[:] = ["5|Priority", "6|Resources", "7|Resources", "8|JobHeldUser", "9|JobHeldUser"]
    assert watch.look() == watch.look() == 5
    assert (tmp_path / "queue.txt").read_text() == "2 for a free GPU, 2 held by you, 1 for their turn"
    assert watch.said == [
        "warning: job 8 and 1 more waits because a user holds it (JobHeldUser); `scontrol release 8` lets it go"
    ]
    watch.queue[:] = []
    assert watch.look() == 0 and (tmp_path / "queue.txt").read_text() == ""


def test_a_run_that_has_ended_gets_no_folder_back(watch, tmp_path):
    gone = QueueWatch("i3d_a", tmp_path / "progress/queue.txt", watch.said.append, pause=60)
    assert gone.look() == 0
    assert not (tmp_path / "progress").exists()


def test_a_watch_without_notes_tells_the_unusual_ones(watch):
    watch.queue[:] = ["8|JobHeldUser"]
    assert QueueWatch("i3d_a", None, watch.said.append, pause=60).look() == 1
    assert watch.said == ["warning: job 8 waits because a user holds it (JobHeldUser); `scontrol release 8` lets it go"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("JobHeldAdmin", "an administrator holds it"),
        ("QOSMaxJobsPerUserLimit", "for a limit of your account or of the cluster (QOSMaxJobsPerUserLimit)"),
        ("AssocGrpGRES", "job 5 waits: AssocGrpGRES"),
        ("PartitionTimeLimit", "for a limit"),
        ("ReqNodeNotAvail", "job 5 waits: ReqNodeNotAvail"),
    ],
)
def test_what_does_not_pass_by_itself_is_explained(reason, words):
    assert words in held_text(reason, ["5"])


def test_reasons_without_a_word_of_their_own_stay_as_they_are():
    assert waiting_text(Counter({"Licenses": 2, "Priority": 1200})) == "1,200 for their turn, 2 Licenses"
