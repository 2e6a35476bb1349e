"""What the tables say of videos that planning skips."""

import msgspec

from i3d.decoding.probe import Probe
from i3d.planning.catalog import VideoEntry
from i3d.planning.decide import skipped_record, why_too_short_or_unreadable
from i3d.snippets import ORIGINAL_RULE


def test_damage_and_the_headers_count_survive():
    probe = Probe(11, True, 25.0, 160, 96, declared=60, damaged="11 of 60 declared frames decoded")
    reason = why_too_short_or_unreadable(probe, ORIGINAL_RULE)
    record = skipped_record("a/x.avi", probe, reason)
    assert record.reason == "too short: 11 frames, a snippet needs more than 16"
    assert (record.frames_declared, record.frames_decoded) == (60, 11)
    assert record.damaged == "11 of 60 declared frames decoded"


def test_what_was_not_counted_is_not_claimed():
    estimate = skipped_record("a/x.avi", Probe(300, False), "`fps: 9000` would show each of its frames 300 times")
    assert (estimate.frames_declared, estimate.frames_decoded) == (None, None)
    unread = skipped_record("a/x.avi", Probe(), "unreadable: Permission denied")
    assert (unread.frames_declared, unread.frames_decoded, unread.damaged) == (None, None, None)


def test_what_an_older_catalog_remembers_is_read():
    entry = b'{"stamp":[1,2,3],"digest":"d","probed_for":[16,null],"probe":{"frames":8,"exact":true,"reason":null}}'
    probe = msgspec.json.decode(entry, type=VideoEntry).probe
    assert probe == Probe(8, exact=True)
    assert skipped_record("x.mp4", probe, "too short").frames_decoded == 8
