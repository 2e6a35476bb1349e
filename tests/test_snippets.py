"""The snippet rule, against the original's loop spelled out."""

from hypothesis import given
from hypothesis import strategies as st

from i3d.config import schema
from i3d.snippets import ORIGINAL_RULE, SnippetRule


@given(st.integers(1, 400), st.integers(8, 40), st.integers(1, 40))
def test_snippets_are_those_of_the_original_loop(frames, clip_length, frequency):
    rule = SnippetRule(clip_length, frequency)
    expected = []
    start = 0
    while frames > clip_length and start + clip_length <= frames:
        expected.append(list(range(start, start + clip_length)))
        start += frequency
    assert [list(rule.frames_of(snippet)) for snippet in range(rule.snippets(frames))] == expected
    used = {frame for snippet in expected for frame in snippet}
    within = range(expected[-1][-1] + 1) if expected else ()
    assert {frame for frame in within if rule.is_used(frame)} == used
    assert rule.used(frames) == sum(map(rule.is_used, range(frames)))
    assert (rule.left_out is None) == all(map(rule.is_used, range(2 * frequency)))


@given(st.integers(1, 400), st.integers(8, 40), st.integers(1, 40))
def test_of_image_towers_the_middle_frame_alone_may_be_used(frames, clip_length, frequency):
    rule, whole = SnippetRule(clip_length, frequency, middle_only=True), SnippetRule(clip_length, frequency)
    assert rule.snippets(frames) == whole.snippets(frames)
    middles = [list(rule.frames_of(snippet))[clip_length // 2] for snippet in range(rule.snippets(frames))]
    used = [frame for frame in range(frames) if rule.is_used(frame)]
    assert used[: len(middles)] == middles
    assert rule.used(frames) == len(used)
    assert rule.left_out != whole.left_out and rule.frames_used == 1 and whole.frames_used == clip_length


def test_middle_frames_are_those_of_clip_tsa():
    rule = SnippetRule(16, 16, middle_only=True)
    assert [frame for frame in range(64) if rule.is_used(frame)] == [8, 24, 40, 56]


def test_the_contract_of_the_defaults():
    rule = ORIGINAL_RULE
    defaults = {key: schema()["properties"][key]["default"] for key in ("clip_length", "frequency")}
    assert rule == SnippetRule(**defaults) == SnippetRule(16, 16)
    assert [rule.snippets(frames) for frames in (0, 15, 16, 17, 31, 32, 33, 48)] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert rule.why_too_short(16) == "too short: 16 frames, a snippet needs more than 16"
